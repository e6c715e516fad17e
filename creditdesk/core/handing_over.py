"""Handing one mail to the mail server, and what the server's answer means: it left, it was refused, or nobody knows."""

from __future__ import annotations

import smtplib
from datetime import timedelta

from django.core.mail import EmailMessage

UNREACHABLE = (OSError, smtplib.SMTPException)
"""What opening a connection raises when the mail server cannot be reached or used: nothing has left yet."""


class Refused(Exception):
    """The server said no: the mail certainly did not leave.

    is_address: it refused the recipient. is_temporary: it asks to try again later (4xx, as greylisting does).
    """

    def __init__(self, text: str, *, is_address: bool = False, is_temporary: bool = False) -> None:
        super().__init__(text)
        self.is_address = is_address
        self.is_temporary = is_temporary


def hand_over(message: EmailMessage) -> None:
    """Send over the message's own open connection. Raises Refused; any other error leaves it in doubt."""
    try:
        message.send()
    except smtplib.SMTPRecipientsRefused as error:
        code, text = next(iter(error.recipients.values()), (550, b"refused"))
        raise Refused(_words(code, text), is_address=True, is_temporary=_is_temporary(code)) from error
    except smtplib.SMTPNotSupportedError as error:
        raise Refused(str(error)) from error
    except (smtplib.SMTPSenderRefused, smtplib.SMTPDataError, smtplib.SMTPHeloError) as error:
        raise Refused(
            _words(error.smtp_code, error.smtp_error), is_temporary=_is_temporary(error.smtp_code)
        ) from error


def pause(attempts: int) -> timedelta:
    """How long to wait after so many attempts that failed: 1, 2, 4 ... minutes, at most six hours."""
    return min(timedelta(minutes=2 ** max(attempts - 1, 0)), timedelta(hours=6))


def _is_temporary(code: int) -> bool:
    return 400 <= int(code) < 500


def _words(code: int, text: bytes | str) -> str:
    return f"{code} {text.decode(errors='replace') if isinstance(text, bytes) else text}"[:300]
