def unknown_placeholders(text):
    return set()
