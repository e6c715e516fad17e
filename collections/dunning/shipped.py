"""The templates that come with the product; installed after every migrate.

A shipped text that nobody edited follows the product; an edited one is never touched.
"""

from __future__ import annotations

import hashlib
from typing import Any

from django.db import DEFAULT_DB_ALIAS

TEXTS: dict[tuple[str, int], tuple[str, str]] = {
    ("en", 1): (
        "Friendly reminder: {total} due since {oldest_due}",
        "Dear {contact},\n\nperhaps it escaped your notice: the following invoices of {company} to {customer} "
        "are open.\n\n{items}\n\nTotal: {total}\n\nIf the payment is already on its way, please disregard this "
        "message. If something is wrong with an invoice, just answer and tell us what.\n\n"
        "Kind regards\n{sender}\n{company}",
    ),
    ("en", 2): (
        "Reminder: {total} overdue for {days} days",
        "Dear {contact},\n\nwe have not received a payment for the following invoices to {customer}:\n\n{items}\n\n"
        "Total: {total}\n\nPlease pay within seven days, or tell us by return which day we can count on. "
        "If you dispute an amount, pay the rest and name the reason.\n\nKind regards\n{sender}\n{company}",
    ),
    ("en", 3): (
        "Last reminder before further steps: {total}",
        "Dear {contact},\n\ndespite our reminders these invoices to {customer} are still open, the oldest for "
        "{days} days:\n\n{items}\n\nTotal: {total}\n\nPlease pay within five working days. Otherwise we shall have "
        "to stop deliveries on credit and hand the matter over; statutory interest and costs are then added.\n\n"
        "Regards\n{sender}\n{company}",
    ),
    ("it", 1): (
        "Promemoria: {total} in scadenza dal {oldest_due}",
        "Gentile {contact},\n\nforse Le è sfuggito: le seguenti fatture di {company} a {customer} risultano "
        "ancora aperte.\n\n{items}\n\nTotale: {total}\n\nSe il pagamento è già in corso, non tenga conto di questo "
        "messaggio. Se una fattura non è corretta, ci risponda indicando il motivo.\n\n"
        "Cordiali saluti\n{sender}\n{company}",
    ),
    ("it", 2): (
        "Sollecito: {total} scaduti da {days} giorni",
        "Gentile {contact},\n\nnon abbiamo ricevuto il pagamento delle seguenti fatture a {customer}:\n\n{items}\n\n"
        "Totale: {total}\n\nLa preghiamo di pagare entro sette giorni, oppure di indicarci subito la data su cui "
        "possiamo contare. Se contesta un importo, paghi il resto e ci indichi il motivo.\n\n"
        "Cordiali saluti\n{sender}\n{company}",
    ),
    ("it", 3): (
        "Ultimo sollecito prima di ulteriori azioni: {total}",
        "Gentile {contact},\n\nnonostante i nostri solleciti le seguenti fatture a {customer} sono ancora aperte, "
        "la più vecchia da {days} giorni:\n\n{items}\n\nTotale: {total}\n\nLa invitiamo a pagare entro cinque giorni "
        "lavorativi. In mancanza dovremo sospendere le forniture a credito e affidare la pratica a terzi, con "
        "l'aggiunta di interessi legali di mora e spese.\n\nDistinti saluti\n{sender}\n{company}",
    ),
    ("es", 1): (
        "Recordatorio: {total} pendiente desde el {oldest_due}",
        "Estimado/a {contact}:\n\nquizá se le haya pasado: las siguientes facturas de {company} a {customer} siguen "
        "pendientes.\n\n{items}\n\nTotal: {total}\n\nSi el pago ya está en camino, no tenga en cuenta este mensaje. "
        "Si alguna factura no es correcta, respóndanos indicando el motivo.\n\n"
        "Un cordial saludo\n{sender}\n{company}",
    ),
    ("es", 2): (
        "Reclamación de pago: {total} vencido desde hace {days} días",
        "Estimado/a {contact}:\n\nno hemos recibido el pago de las siguientes facturas a {customer}:\n\n{items}\n\n"
        "Total: {total}\n\nLe rogamos que pague en siete días o nos indique a vuelta de correo la fecha con la que "
        "podemos contar. Si no está de acuerdo con un importe, pague el resto e indíquenos el motivo.\n\n"
        "Atentamente\n{sender}\n{company}",
    ),
    ("es", 3): (
        "Último aviso antes de otras medidas: {total}",
        "Estimado/a {contact}:\n\npese a nuestros avisos, estas facturas a {customer} siguen pendientes, la más "
        "antigua desde hace {days} días:\n\n{items}\n\nTotal: {total}\n\nLe pedimos que pague en cinco días "
        "hábiles. De lo contrario tendremos que suspender las entregas a crédito y encargar el cobro a terceros, "
        "con los intereses de demora y costes legales.\n\nAtentamente\n{sender}\n{company}",
    ),
    ("fr", 1): (
        "Rappel : {total} dus depuis le {oldest_due}",
        "Bonjour {contact},\n\npeut-être cela vous a-t-il échappé : les factures suivantes de {company} à {customer} "
        "restent ouvertes.\n\n{items}\n\nTotal : {total}\n\nSi le règlement est déjà en cours, merci de ne pas tenir "
        "compte de ce message. Si une facture pose problème, répondez-nous en indiquant le motif.\n\n"
        "Bien cordialement\n{sender}\n{company}",
    ),
    ("fr", 2): (
        "Relance : {total} en retard de {days} jours",
        "Bonjour {contact},\n\nnous n'avons pas reçu le règlement des factures suivantes à {customer} :\n\n{items}\n\n"
        "Total : {total}\n\nMerci de régler sous sept jours, ou de nous indiquer par retour la date sur laquelle nous "
        "pouvons compter. Si vous contestez un montant, réglez le reste et précisez-nous le motif.\n\n"
        "Cordialement\n{sender}\n{company}",
    ),
    ("fr", 3): (
        "Dernière relance avant d'autres démarches : {total}",
        "Bonjour {contact},\n\nmalgré nos relances, ces factures à {customer} restent ouvertes, la plus ancienne "
        "depuis {days} jours :\n\n{items}\n\nTotal : {total}\n\nNous vous demandons de régler sous cinq jours ouvrés. "
        "À défaut, nous devrons suspendre les livraisons à crédit et confier le dossier à un tiers ; les pénalités "
        "de retard et frais légaux s'ajouteront.\n\nCordialement\n{sender}\n{company}",
    ),
}


def digest(subject: str, body: str) -> str:
    return hashlib.sha256(f"{subject}\n{body}".encode()).hexdigest()


def install_templates(using: str = DEFAULT_DB_ALIAS, apps: Any = None, **kwargs: Any) -> None:
    """post_migrate receiver: add what is missing, renew what was shipped and not edited. Idempotent."""
    try:
        if apps is not None:
            apps.get_model("dunning", "ReminderTemplate")
    except LookupError:
        return
    from dunning.models import ReminderTemplate

    rows = {(row.language, row.level): row for row in ReminderTemplate.objects.using(using).all()}
    missing = []
    for (language, level), (subject, body) in TEXTS.items():
        row = rows.get((language, level))
        values = {"subject": subject, "body": body, "shipped_digest": digest(subject, body)}
        if row is None:
            missing.append(ReminderTemplate(language=language, level=level, **values))
        elif row.shipped_digest == digest(row.subject, row.body) != values["shipped_digest"]:
            ReminderTemplate.objects.using(using).filter(pk=row.pk).update(**values)
    ReminderTemplate.objects.using(using).bulk_create(missing, ignore_conflicts=True)
