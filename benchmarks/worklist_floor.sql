-- The best single statement known for what a build of the worklists does: the same evidence, the same leading
-- causes with their parameters, next steps, prices, ranks and rows, for a book without groups, insolvencies,
-- hand-overs, dunning blocks, snoozes and foreign currencies (as the benchmark's is). Every table our build reads
-- is read here too, empty or not. %(day)s: business day, %(run)s: the run's id.
WITH later AS MATERIALIZED (
  SELECT instalment_id, payment_id, effective_on, amount FROM customers_allocation
  WHERE superseded_at IS NULL AND effective_on > %(day)s::date - 30
), later_item AS (
  SELECT instalment_id, coalesce(sum(amount) FILTER (WHERE effective_on > %(day)s), 0)::bigint AS amount,
    sum(amount)::bigint AS amount_30
  FROM later GROUP BY instalment_id
), item AS MATERIALIZED (
  SELECT t.id, t.invoice_id, t.account_id, t.due_on, t.effective_on, t.settled_on, t.currency,
    t.open_amount + coalesce(l.amount, 0) AS open, t.open_amount + coalesce(l.amount_30, 0) AS open_30
  FROM customers_instalment t LEFT JOIN later_item l ON l.instalment_id = t.id
  WHERE t.company_id = 1 AND t.kind = 'invoice' AND t.superseded_at IS NULL AND t.due_on < %(day)s
    AND t.effective_on <= %(day)s AND (t.settled_on IS NULL OR t.settled_on > %(day)s::date - 30)
), promised AS (
  SELECT x.instalment_id, sum(greatest(least(x.amount - coalesce((SELECT sum(a.amount) FROM customers_allocation a
      WHERE a.instalment_id = x.instalment_id AND a.kind = 'cash' AND a.superseded_at IS NULL
        AND a.effective_on BETWEEN p.effective_on AND %(day)s), 0), x.amount), 0))::bigint AS amount
  FROM customers_promiseitem x JOIN customers_promise p ON p.id = x.promise_id
  WHERE p.effective_on <= %(day)s AND p.superseded_at IS NULL AND (p.resolved_on IS NULL OR p.resolved_on > %(day)s)
  GROUP BY 1
), disputed AS (
  SELECT x.instalment_id, sum(x.amount)::bigint AS amount, max(d.reason) AS reason
  FROM customers_disputeitem x JOIN customers_dispute d ON d.id = x.dispute_id
  WHERE d.superseded_at IS NULL AND d.effective_on <= %(day)s AND (d.closed_on IS NULL OR d.closed_on > %(day)s)
  GROUP BY 1
), chased AS MATERIALIZED (
  SELECT m.*, (SELECT number FROM customers_invoice i WHERE i.id = m.invoice_id) AS number, least(coalesce(d.amount, 0), m.open) AS disputed, d.reason, %(day)s - m.due_on AS days,
    greatest(m.open - coalesce(d.amount, 0) - coalesce(p.amount, 0), 0) AS collectable
  FROM item m LEFT JOIN disputed d ON d.instalment_id = m.id LEFT JOIN promised p ON p.instalment_id = m.id
  WHERE m.open > 0 AND (m.settled_on IS NULL OR m.settled_on > %(day)s)
), owing AS MATERIALIZED (
  SELECT account_id, sum(open)::bigint AS overdue, count(*) AS items, sum(collectable)::bigint AS collectable,
    count(*) FILTER (WHERE collectable > 0) AS chased, sum(disputed)::bigint AS disputed, max(reason) AS reason,
    (array_agg(number ORDER BY collectable = 0, due_on, id))[1] AS oldest_number,
    (array_agg(due_on ORDER BY collectable = 0, due_on, id))[1] AS oldest,
    (array_agg(collectable ORDER BY collectable = 0, due_on, id))[1] AS oldest_collectable,
    (array_agg(number ORDER BY collectable DESC, id))[1] AS largest_number,
    (array_agg(due_on ORDER BY collectable DESC, id))[1] AS largest_due,
    (array_agg(collectable ORDER BY collectable DESC, id))[1] AS largest,
    (array_agg(open ORDER BY collectable DESC, id))[1] AS largest_open,
    count(*) FILTER (WHERE collectable > 0 AND days >= 10) AS late_items
  FROM chased GROUP BY account_id
), before AS (
  SELECT account_id, sum(open_30)::bigint AS overdue FROM item
  WHERE due_on < %(day)s::date - 30 AND effective_on <= %(day)s::date - 30 AND open_30 > 0 GROUP BY account_id
), behaviour AS (
  SELECT a.account_id,
    count(*) FILTER (WHERE amount > 0) - count(*) FILTER (WHERE amount < 0) AS paid_ever,
    count(*) FILTER (WHERE amount > 0 AND days_late > 3) AS late_ever,
    max(effective_on) FILTER (WHERE amount > 0) AS last_on,
    sum(account_amount * days_late * days_late) FILTER (WHERE effective_on > %(day)s::date - 365)::float AS year_square,
    count(*) FILTER (WHERE amount > 0 AND effective_on > %(day)s::date - 365)
      - count(*) FILTER (WHERE amount < 0 AND effective_on > %(day)s::date - 365) AS year_count,
    sum(account_amount * days_late) FILTER (WHERE effective_on > %(day)s::date - 365)::float AS year_late,
    sum(account_amount) FILTER (WHERE effective_on > %(day)s::date - 365)::float AS year_weight,
    count(*) FILTER (WHERE amount > 0 AND effective_on > %(day)s::date - 365 AND effective_on <= %(day)s::date - 60)
      - count(*) FILTER (WHERE amount < 0 AND effective_on > %(day)s::date - 365 AND effective_on <= %(day)s::date - 60)
      AS before_count,
    sum(account_amount * days_late) FILTER (WHERE effective_on > %(day)s::date - 365
      AND effective_on <= %(day)s::date - 60)::float AS before_late,
    sum(account_amount) FILTER (WHERE effective_on > %(day)s::date - 365 AND effective_on <= %(day)s::date - 60)::float
      AS before_weight,
    count(*) FILTER (WHERE amount > 0 AND effective_on > %(day)s::date - 410 AND effective_on <= %(day)s::date - 320)
      - count(*) FILTER (WHERE amount < 0 AND effective_on > %(day)s::date - 410 AND effective_on <= %(day)s::date - 320)
      AS season_count,
    sum(account_amount * days_late) FILTER (WHERE effective_on > %(day)s::date - 410
      AND effective_on <= %(day)s::date - 320)::float AS season_late,
    sum(account_amount) FILTER (WHERE effective_on > %(day)s::date - 410 AND effective_on <= %(day)s::date - 320)::float
      AS season_weight,
    count(*) FILTER (WHERE amount > 0 AND effective_on > %(day)s::date - 290 AND effective_on <= %(day)s::date - 75)
      - count(*) FILTER (WHERE amount < 0 AND effective_on > %(day)s::date - 290 AND effective_on <= %(day)s::date - 75)
      AS rest_count,
    sum(account_amount * days_late) FILTER (WHERE effective_on > %(day)s::date - 290
      AND effective_on <= %(day)s::date - 75)::float AS rest_late,
    sum(account_amount) FILTER (WHERE effective_on > %(day)s::date - 290 AND effective_on <= %(day)s::date - 75)::float
      AS rest_weight
  FROM customers_allocation a
  WHERE a.account_id IN (SELECT account_id FROM owing) AND a.kind = 'cash' AND a.superseded_at IS NULL
    AND a.effective_on <= %(day)s
  GROUP BY a.account_id
), means AS (
  SELECT b.*, coalesce(year_late / nullif(year_weight, 0), 0) AS year_mean,
    coalesce(before_late / nullif(before_weight, 0), 0) AS before_mean,
    coalesce(season_late / nullif(season_weight, 0), 0) AS season_mean,
    coalesce(rest_late / nullif(rest_weight, 0), 0) AS rest_mean,
    sqrt(greatest(coalesce(year_square / nullif(year_weight, 0), 0)
      - coalesce(year_late / nullif(year_weight, 0), 0) ^ 2, 0)) AS year_spread
  FROM behaviour b
), typical AS (
  SELECT account_id, round(avg(account_amount)) AS amount FROM customers_instalment
  WHERE account_id IN (SELECT account_id FROM owing) AND kind = 'invoice' AND superseded_at IS NULL
    AND effective_on > %(day)s::date - 365 AND effective_on <= %(day)s
  GROUP BY account_id HAVING count(*) >= 3
), broken AS (
  SELECT account_id, count(*) AS times FROM customers_promise
  WHERE superseded_at IS NULL AND status IN ('broken', 'partly_kept') AND resolved_on <= %(day)s
    AND resolved_on > %(day)s::date - 365 AND effective_on <= %(day)s
  GROUP BY account_id
), recently_broken AS (
  SELECT DISTINCT ON (account_id) account_id, amount, currency, due_on, kept_amount FROM customers_promise p
  WHERE superseded_at IS NULL AND status IN ('broken', 'partly_kept') AND resolved_on <= %(day)s
    AND resolved_on > %(day)s::date - 60 AND effective_on <= %(day)s
    AND EXISTS (SELECT 1 FROM customers_promiseitem x JOIN customers_instalment t ON t.id = x.instalment_id
      WHERE x.promise_id = p.id AND t.open_amount > 0)
  ORDER BY account_id, due_on DESC, id DESC
), closed AS (
  SELECT DISTINCT ON (account_id) account_id, amount, currency, closed_on, outcome FROM customers_dispute d
  WHERE superseded_at IS NULL AND closed_on <= %(day)s AND closed_on > %(day)s::date - 21 AND outcome <> 'upheld'
    AND NOT (outcome = 'withdrawn' AND closed_on = effective_on)
    AND EXISTS (SELECT 1 FROM customers_disputeitem x JOIN customers_instalment t ON t.id = x.instalment_id
      WHERE x.dispute_id = d.id AND t.open_amount > 0)
  ORDER BY account_id, closed_on DESC, id DESC
), returned AS (
  SELECT DISTINCT ON (account_id) account_id, amount, currency, effective_on FROM customers_allocation
  WHERE kind = 'returned' AND superseded_at IS NULL AND amount > 0 AND effective_on <= %(day)s
    AND effective_on > %(day)s::date - 30
  ORDER BY account_id, effective_on DESC, id DESC
), unapplied AS (
  SELECT p.account_id, sum(p.open_amount + coalesce(l.amount, 0))::bigint AS amount, max(p.effective_on) AS last_on
  FROM customers_payment p LEFT JOIN (SELECT payment_id, sum(amount) AS amount FROM later
    WHERE effective_on > %(day)s GROUP BY payment_id) l ON l.payment_id = p.id
  WHERE p.superseded_at IS NULL AND p.effective_on <= %(day)s AND p.open_amount + coalesce(l.amount, 0) > 0
  GROUP BY p.account_id
), contact AS (
  SELECT account_id, max(business_date) AS last_on FROM worklists_followup
  WHERE kind IN ('call', 'email', 'promise', 'dispute') AND business_date <= %(day)s
    AND business_date > %(day)s::date - 14 GROUP BY account_id
), reminded AS (
  SELECT account_id, max(level) AS level, max(business_date) AS last_on FROM dunning_reminder
  WHERE business_date <= %(day)s AND business_date > %(day)s::date - 60 AND state NOT IN ('cancelled', 'failed')
  GROUP BY account_id
), limits AS (
  SELECT DISTINCT ON (account_id) account_id, amount FROM customers_creditlimit
  WHERE valid_from <= %(day)s AND (valid_until IS NULL OR valid_until >= %(day)s)
  ORDER BY account_id, kind = 'temporary' DESC, valid_from DESC
), held AS (
  SELECT account_id FROM worklists_snooze WHERE starts_on <= %(day)s AND until > %(day)s AND ended_on IS NULL
  UNION SELECT account_id FROM customers_dunningblock WHERE superseded_at IS NULL AND effective_on <= %(day)s
    AND expires_on >= %(day)s AND (lifted_on IS NULL OR lifted_on > %(day)s)
), story AS MATERIALIZED (
  SELECT o.*, a.collector_id, a.currency, c.name, coalesce(s.grade, '') AS grade, %(day)s - o.oldest AS days,
    r.last_on AS reminded_on, coalesce(r.level, 0) AS level, b.times, m.year_mean, m.season_mean, m.rest_mean,
    m.paid_ever, m.last_on, coalesce(f.overdue, 0) AS before, e.amount AS broken, e.due_on AS broken_on,
    e.kept_amount, x.amount AS closed, x.closed_on, x.outcome, t.amount AS returned, t.effective_on AS returned_on,
    u.amount AS unapplied, u.last_on AS unapplied_on,
    CASE
      WHEN t.account_id IS NOT NULL THEN 'returned_payment'
      WHEN u.amount * 2 >= o.collectable THEN 'unapplied_cash'
      WHEN e.account_id IS NOT NULL THEN 'broken_promise'
      WHEN m.before_count >= 5 AND m.before_mean <= 5 AND %(day)s - o.oldest >= 15 AND o.late_items >= 2
        THEN 'sudden_change'
      WHEN x.amount * 5 >= o.overdue THEN 'dispute_closed'
      WHEN %(day)s - o.oldest > 60 AND o.overdue > f.overdue AND f.overdue > 0 THEN 'growing'
      WHEN %(day)s - o.largest_due <= 7 AND o.largest * 10 >= o.collectable * 6 AND o.largest_open * 2 >= y.amount * 3
        THEN 'new_large'
      WHEN m.season_count >= 2 AND m.rest_count >= 5 AND m.season_mean >= 15 AND m.rest_mean <= 8 THEN 'seasonal'
      WHEN m.year_count >= 5 AND m.year_mean >= 8 AND m.year_spread <= greatest(10, m.year_mean * 0.5)
        AND %(day)s - o.oldest <= round(m.year_mean) + greatest(3, least(round(m.year_spread), 7)) THEN 'habit'
      WHEN o.disputed > 0 THEN 'part_disputed'
      WHEN m.year_count >= 5 AND m.year_mean >= 8 AND m.year_spread <= greatest(10, m.year_mean * 0.5)
        THEN 'beyond_habit'
      WHEN m.paid_ever >= 3 AND m.late_ever = 0 AND %(day)s - o.oldest <= 30 THEN 'first_late'
      WHEN coalesce(m.paid_ever, 0) = 0 AND %(day)s - o.oldest >= 10 THEN 'never_paid'
      WHEN %(day)s - o.oldest >= 30 AND %(day)s - m.last_on >= 60 THEN 'silent'
      ELSE 'overdue'
    END AS cause
  FROM owing o JOIN customers_creditaccount a ON a.id = o.account_id JOIN customers_customer c ON c.id = a.customer_id
  LEFT JOIN scoring_accountscore s ON s.account_id = o.account_id LEFT JOIN before f ON f.account_id = o.account_id
  LEFT JOIN means m ON m.account_id = o.account_id LEFT JOIN typical y ON y.account_id = o.account_id
  LEFT JOIN broken b ON b.account_id = o.account_id LEFT JOIN recently_broken e ON e.account_id = o.account_id
  LEFT JOIN closed x ON x.account_id = o.account_id LEFT JOIN returned t ON t.account_id = o.account_id
  LEFT JOIN unapplied u ON u.account_id = o.account_id LEFT JOIN contact n ON n.account_id = o.account_id
  LEFT JOIN reminded r ON r.account_id = o.account_id LEFT JOIN limits l ON l.account_id = o.account_id
  LEFT JOIN held h ON h.account_id = o.account_id
  WHERE o.collectable >= 2500 AND n.account_id IS NULL AND h.account_id IS NULL
), stepped AS (
  SELECT s.*, jsonb_build_object('minor', s.collectable, 'currency', s.currency) AS ask, CASE
      WHEN cause = 'returned_payment' THEN 'call_returned'
      WHEN cause = 'unapplied_cash' THEN 'apply_cash'
      WHEN cause = 'broken_promise' THEN CASE WHEN times > 1 THEN 'call_part_payment' ELSE 'call_promise' END
      WHEN cause = 'sudden_change' THEN 'call_management'
      WHEN cause = 'dispute_closed' THEN 'send_outcome'
      WHEN cause = 'growing' THEN 'call_escalate'
      WHEN cause = 'new_large' THEN 'call_large'
      WHEN cause = 'seasonal' THEN 'email_plan'
      WHEN cause = 'habit' THEN 'email_gentle'
      WHEN cause = 'part_disputed' AND collectable >= 500000 THEN 'call_rest'
      WHEN cause = 'first_late' THEN CASE WHEN reminded_on IS NULL THEN 'email_gentle' ELSE 'call' END
      WHEN collectable >= 500000 OR days > 60 OR %(day)s - reminded_on < 7 THEN 'call'
      WHEN level >= 3 THEN 'call_escalate'
      ELSE 'email_' || level + 1
    END AS step
  FROM story s
), priced AS (
  SELECT account_id, sum((amount * chance + 500) / 1000)::bigint AS at_risk FROM (
    SELECT i.account_id, i.collectable AS amount, least(greatest(
      CASE WHEN i.days <= 7 THEN 200 WHEN i.days <= 15 THEN 300 WHEN i.days <= 30 THEN 420 WHEN i.days <= 60 THEN 560
        WHEN i.days <= 90 THEN 700 WHEN i.days <= 180 THEN 820 ELSE 880 END
      * CASE s.grade WHEN 'A' THEN 45 WHEN 'B' THEN 65 WHEN 'C' THEN 85 WHEN 'D' THEN 105 WHEN 'E' THEN 120 ELSE 90 END
      * CASE s.cause WHEN 'broken_promise' THEN 125 WHEN 'returned_payment' THEN 135 WHEN 'sudden_change' THEN 125
        WHEN 'growing' THEN 115 WHEN 'first_late' THEN 70 WHEN 'seasonal' THEN 60 WHEN 'habit' THEN 35
        WHEN 'unapplied_cash' THEN 35 ELSE 100 END / 10000, 30), 970) AS chance
    FROM story s JOIN chased i ON i.account_id = s.account_id WHERE i.collectable > 0) x
  GROUP BY account_id
)
INSERT INTO bench_row (run_id, account_id, collector_id, lane, rank, currency, at_risk, collectable, probability,
  minutes, account_currency, overdue, oldest_due_on, items, cause_code, cause_params, also, step_code, step_params, state)
SELECT %(run)s, account_id, collector_id, 'normal',
  row_number() OVER (PARTITION BY collector_id ORDER BY at_risk * 1000 / minutes DESC, at_risk DESC, oldest, account_id),
  currency, at_risk, collectable, least((at_risk * 1000 + collectable / 2) / collectable, 1000), minutes, currency,
  overdue, oldest, items, cause,
  jsonb_build_object('minor', overdue, 'currency', currency) || CASE cause
    WHEN 'returned_payment' THEN jsonb_build_object('minor', returned, 'on', returned_on)
    WHEN 'unapplied_cash' THEN jsonb_build_object('minor', unapplied, 'on', unapplied_on)
    WHEN 'broken_promise'
      THEN jsonb_build_object('minor', broken, 'on', broken_on, 'count', times, 'kept', kept_amount)
    WHEN 'sudden_change' THEN jsonb_build_object('count', chased, 'days', days, 'since', oldest)
    WHEN 'dispute_closed'
      THEN jsonb_build_object('minor', least(closed, overdue), 'on', closed_on, 'outcome', outcome)
    WHEN 'growing' THEN jsonb_build_object('days', days, 'before', before)
    WHEN 'new_large' THEN jsonb_build_object('number', largest_number, 'on', largest_due, 'minor', largest)
    WHEN 'seasonal' THEN jsonb_build_object('days', round(season_mean), 'rest', round(rest_mean))
    WHEN 'habit' THEN jsonb_build_object('days', round(year_mean), 'now', days,
      'expected', greatest(oldest + round(year_mean)::integer, %(day)s::date + 1))
    WHEN 'part_disputed' THEN jsonb_build_object('disputed', disputed, 'rest', collectable, 'reason', reason)
    WHEN 'beyond_habit' THEN jsonb_build_object('days', round(year_mean), 'now', days)
    WHEN 'first_late' THEN jsonb_build_object('paid', paid_ever, 'number', oldest_number, 'days', days,
      'minor', oldest_collectable)
    WHEN 'never_paid' THEN jsonb_build_object('days', days, 'number', oldest_number)
    WHEN 'silent' THEN jsonb_build_object('on', last_on, 'days', days)
    ELSE jsonb_build_object('count', chased, 'days', days, 'number', oldest_number, 'due', oldest) END,
  CASE WHEN cause <> 'growing' AND days > 60 AND overdue > before AND before > 0
      THEN jsonb_build_array(jsonb_build_array('growing',
        jsonb_build_object('days', days, 'before', before, 'minor', overdue, 'currency', currency))) ELSE '[]' END
    || CASE WHEN cause <> 'part_disputed' AND disputed > 0 THEN jsonb_build_array(jsonb_build_array('part_disputed',
        jsonb_build_object('disputed', disputed, 'rest', collectable, 'reason', reason, 'currency', currency)))
      ELSE '[]' END
    || CASE WHEN cause <> 'silent' AND days >= 30 AND %(day)s - last_on >= 60
      THEN jsonb_build_array(jsonb_build_array('silent',
        jsonb_build_object('on', last_on, 'days', days, 'minor', overdue, 'currency', currency))) ELSE '[]' END,
  step,
  CASE WHEN step = 'call' THEN ask || jsonb_build_object('by', %(day)s::date + 5)
    WHEN step = 'send_outcome' THEN ask || jsonb_build_object('by', %(day)s::date + 7)
    WHEN step = 'call_promise' THEN jsonb_build_object('by', %(day)s::date + 5)
    WHEN step IN ('call_returned', 'apply_cash') THEN '{}'
    WHEN step = 'email_gentle' THEN jsonb_build_object('number', oldest_number)
    WHEN step = 'call_large' THEN jsonb_build_object('number', largest_number)
    ELSE ask END,
  'open'
FROM (SELECT s.*, p.at_risk, CASE s.step
    WHEN 'call_returned' THEN 8 WHEN 'apply_cash' THEN 3 WHEN 'call_promise' THEN 8 WHEN 'call_part_payment' THEN 12
    WHEN 'call_management' THEN 12 WHEN 'send_outcome' THEN 5 WHEN 'call_escalate' THEN 10 WHEN 'call_large' THEN 6
    WHEN 'email_plan' THEN 4 WHEN 'email_gentle' THEN 2 WHEN 'call_rest' THEN 8 WHEN 'email_3' THEN 3
    WHEN 'call' THEN 8 ELSE 2 END AS minutes
  FROM stepped s JOIN priced p ON p.account_id = s.account_id) r
