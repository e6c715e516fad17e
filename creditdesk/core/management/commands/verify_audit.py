from django.core.management.base import BaseCommand, CommandError

from creditdesk.core.audit import seal_entries, verify_seals


class Command(BaseCommand):
    help = "Seal the audit entries not yet sealed, then prove that no sealed entry was altered or removed."

    def handle(self, *args, **options):
        seal = seal_entries()
        if seal:
            self.stdout.write(f"Sealed {seal.entries} new entries as seal {seal.pk}.")
        findings = verify_seals()
        for finding in findings:
            self.stderr.write(self.style.ERROR(finding))
        if findings:
            raise CommandError(f"The audit trail was altered: {len(findings)} findings.")
        self.stdout.write(self.style.SUCCESS("Every sealed entry is as it was written."))
