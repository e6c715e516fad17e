"""The signals of bank flows and of supplier payment days: a column each, on the current and on the kept scores."""

from django.db import migrations

from scoring.migration_steps import SignalColumns

NEW = [
    ("bank_avg_balance_180", "float", "average balance of 180 days, in months of outflow"),
    ("bank_avg_balance_30", "float", "average balance of 30 days, in months of outflow"),
    ("bank_avg_balance_90", "float", "average balance of 90 days, in months of outflow"),
    ("bank_balance_low", "float", "lowest balance of 90 days"),
    ("bank_balance_now", "float", "balance at the end of the bank data"),
    ("bank_cash_share", "float", "share moved in cash"),
    ("bank_data_age", "integer", "days since the bank data ends"),
    ("bank_days_below_zero_180", "integer", "days below zero in 180 days"),
    ("bank_days_below_zero_90", "integer", "days below zero in 90 days"),
    ("bank_days_since_inflow", "integer", "days since money last came in"),
    ("bank_history_days", "integer", "days of bank data"),
    ("bank_inflow_floor", "float", "weakest month of inflow"),
    ("bank_inflow_month", "float", "inflow of 30 days"),
    ("bank_inflow_trend", "float", "inflow of 90 days against the 90 before"),
    ("bank_inflow_volatility", "float", "volatility of the weekly inflow"),
    ("bank_inflow_weeks_share", "float", "weeks with inflow"),
    ("bank_largest_outflow", "float", "largest outflow, of the inflow of 90 days"),
    ("bank_low_balance_180", "float", "lowest balance of 180 days, in months of outflow"),
    ("bank_low_balance_30", "float", "lowest balance of 30 days, in months of outflow"),
    ("bank_low_balance_90", "float", "lowest balance of 90 days, in months of outflow"),
    ("bank_net_flow_180", "float", "net flow of 180 days, of all that moved"),
    ("bank_net_flow_90", "float", "net flow of 90 days, of all that moved"),
    ("bank_outflow_month", "float", "outflow of 30 days"),
    ("bank_outflow_trend", "float", "outflow of 90 days against the 90 before"),
    ("bank_rejected_180", "integer", "returned or refused payments in 180 days"),
    ("bank_runway", "float", "runway: months the balance lasts"),
    ("bank_sanction_interest_180", "integer", "sanction interest in 180 days"),
    ("bank_sudden_change", "float", "sudden change of the weekly net flow"),
    ("bank_top_source_share", "float", "largest source of inflow"),
    ("bank_volatility", "float", "volatility of the weekly net flow"),
    ("supplier_days", "integer", "days to pay its suppliers"),
    ("supplier_days_rise", "integer", "rise of the days to pay its suppliers over two quarters"),
    ("supplier_days_slow", "integer", "more than 60 days to pay its suppliers, two quarters running"),
]


class Migration(migrations.Migration):
    dependencies = [("scoring", "0005_signal_catalogue"), ("customers", "0006_import_uploads")]

    operations = [SignalColumns({"accountscore": NEW, "scorehistory": NEW}, {})]
