"""From a prospect's application to a customer with a first limit: assess, decide, tell, convert."""
