from django.core.management.base import BaseCommand, CommandError

from customers.ledger.checking import CHECKS, check_ledger


class Command(BaseCommand):
    help = "Prove that every stored counter equals the facts it stands for; exits with 1 and names the rows if not."

    def handle(self, *args, **options):
        findings = list(check_ledger())
        for finding in findings:
            self.stderr.write(self.style.ERROR(str(finding)))
        if findings:
            raise CommandError(f"{len(findings)} of {len(CHECKS)} checks failed.")
        self.stdout.write(self.style.SUCCESS(f"Ledger is sound: {len(CHECKS)} checks passed."))
