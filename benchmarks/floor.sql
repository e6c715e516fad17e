-- The floor: the same payment, dispute and relationship signals by one hand-written PostgreSQL statement, for today only, unscored and
-- without history, corrections, other companies or views: what nobody could do with less work.
-- %(d)s is the day. Run with the planner's defaults and with index scans forbidden; the better one counts.
INSERT INTO bench_floor
WITH cash AS (
  SELECT account_id, sum(w) w, sum(w * late) FILTER (WHERE late > 0) wd,
    sum(w) FILTER (WHERE ago <= 90) w3, sum(w * late) FILTER (WHERE late > 0 AND ago <= 90) wd3,
    sum(w) FILTER (WHERE late > 0) l0, sum(w) FILTER (WHERE late > 15) l15, sum(w) FILTER (WHERE late > 30) l30,
    max(late) mx, count(*) receipts, max(effective_on) paid_on, sum(w * late) signed
  FROM (SELECT account_id, account_amount w, effective_on, days_late late, %(d)s - effective_on + days_late ago
    FROM customers_allocation
    WHERE kind = 'cash' AND superseded_at IS NULL AND amount > 0 AND effective_on <= %(d)s
      AND NOT EXISTS (SELECT 1 FROM customers_allocation r
        WHERE r.reverses_id = customers_allocation.id AND r.reverses_id IS NOT NULL)) x
  WHERE ago BETWEEN 1 AND 365 GROUP BY account_id
), disputed AS (
  SELECT instalment_id, sum(di.amount)::bigint amount FROM customers_disputeitem di
  JOIN customers_dispute dp ON dp.id = di.dispute_id AND dp.closed_on IS NULL GROUP BY 1
), rest AS (
  SELECT account_id, sum(w) FILTER (WHERE ago > 0) od, sum(w) FILTER (WHERE ago > 365) od_old,
    sum(w) FILTER (WHERE ago > 60) od60, count(*) FILTER (WHERE ago > 0 AND w > 0) n,
    max(ago) FILTER (WHERE ago > 0 AND w > 0) oldest, sum(dis) dis,
    sum(w) FILTER (WHERE y) w, sum(w * ago) FILTER (WHERE y) wd, sum(w) FILTER (WHERE y AND ago <= 90) w3,
    sum(w * ago) FILTER (WHERE y AND ago <= 90) wd3, sum(w) FILTER (WHERE y AND ago > 15) l15,
    sum(w) FILTER (WHERE y AND ago > 30) l30, sum(w + dis) open, sum(w) FILTER (WHERE ago > 30) od30,
    sum(w) FILTER (WHERE ago > 90) od90, sum(w * ago) FILTER (WHERE ago > 0) od_days,
    count(*) FILTER (WHERE ago > 0 AND w > 0 AND part) parts, count(*) FILTER (WHERE y AND w > 0) c,
    count(*) FILTER (WHERE y AND w > 0 AND ago > 15) c15, count(*) FILTER (WHERE y AND w > 0 AND ago > 30) c30,
    count(*) FILTER (WHERE y AND w > 0 AND ago > 60) c60, sum(ago) FILTER (WHERE y AND w > 0) days,
    sum(ago * ago) FILTER (WHERE y AND w > 0) days2, max(a * 1000 + ago) FILTER (WHERE y AND w > 0) largest
  FROM (SELECT account_id, account_amount a, i.open_amount < i.amount part, open_amount - least(open_amount, coalesce(q.amount, 0)) w,
      least(open_amount, coalesce(q.amount, 0)) dis, %(d)s - due_on ago, %(d)s - due_on BETWEEN 1 AND 365 y
    FROM customers_instalment i LEFT JOIN disputed q ON q.instalment_id = i.id
    WHERE open_amount > 0 AND superseded_at IS NULL AND kind = 'invoice') x
  GROUP BY account_id
), billed AS (
  SELECT account_id, count(*) FILTER (WHERE y AND inv) n, count(*) FILTER (WHERE due_on >= %(d)s - 90 AND y AND inv) n3,
    sum(a) FILTER (WHERE y AND inv) due, count(*) FILTER (WHERE effective_on > %(d)s - 365 AND inv) ni,
    sum(a) FILTER (WHERE effective_on > %(d)s - 365 AND inv) invoiced,
    sum(a) FILTER (WHERE effective_on > %(d)s - 730 AND inv) invoiced2,
    sum(a) FILTER (WHERE effective_on > %(d)s - 365 AND NOT inv) credited,
    min(effective_on) FILTER (WHERE inv) first_on, max(effective_on) FILTER (WHERE inv) last_on,
    count(*) FILTER (WHERE effective_on > %(d)s - 365 AND NOT inv) nc,
    sum(a) FILTER (WHERE effective_on > %(d)s - 91 AND inv) q1,
    sum(a) FILTER (WHERE effective_on > %(d)s - 182 AND effective_on <= %(d)s - 91 AND inv) q2,
    sum(a) FILTER (WHERE effective_on > %(d)s - 273 AND effective_on <= %(d)s - 182 AND inv) q3,
    sum(a) FILTER (WHERE effective_on > %(d)s - 365 AND effective_on <= %(d)s - 273 AND inv) q4,
    count(delay) c, count(*) FILTER (WHERE delay > 0) c0, count(*) FILTER (WHERE delay > 15) c15,
    count(*) FILTER (WHERE delay > 30) c30, count(*) FILTER (WHERE delay > 60) c60,
    sum(delay) FILTER (WHERE delay > 0) days, sum(delay * delay) FILTER (WHERE delay > 0) days2,
    max(a * 1000 + greatest(delay, 0)) FILTER (WHERE delay IS NOT NULL) largest
  FROM (SELECT account_id, account_amount a, effective_on, due_on, kind = 'invoice' inv,
      due_on < %(d)s AND due_on >= %(d)s - 365 y,
      CASE WHEN kind = 'invoice' AND due_on < %(d)s AND due_on >= %(d)s - 365 AND settled_on <= %(d)s
        AND settled_by = 'cash' THEN settled_on - due_on END delay
    FROM customers_instalment WHERE superseded_at IS NULL OFFSET 0) x
  GROUP BY account_id
), promises AS (
  SELECT account_id, count(*) judged, count(*) FILTER (WHERE status IN ('broken', 'partly_kept')) broken
  FROM customers_promise WHERE superseded_at IS NULL AND status IN ('kept', 'broken', 'partly_kept')
    AND due_on > %(d)s - 365 AND due_on <= %(d)s GROUP BY account_id
), disputes AS (
  SELECT account_id, count(*) FILTER (WHERE effective_on > %(d)s - 365) n,
    count(*) FILTER (WHERE closed_on IS NULL) still, max(%(d)s - effective_on) FILTER (WHERE closed_on IS NULL) oldest
  FROM customers_dispute WHERE effective_on <= %(d)s GROUP BY account_id
), unapplied AS (
  SELECT account_id, sum(open_amount) held FROM customers_payment
  WHERE open_amount > 0 AND superseded_at IS NULL GROUP BY account_id
), moves AS (
  SELECT al.account_id, count(*) FILTER (WHERE al.kind = 'returned') returned,
    sum(al.account_amount) FILTER (WHERE NOT w.is_small) lost
  FROM customers_allocation al LEFT JOIN customers_writeoff w ON w.id = al.write_off_id
  WHERE al.kind IN ('returned', 'write_off') AND al.superseded_at IS NULL AND al.effective_on > %(d)s - 730
  GROUP BY al.account_id
)
SELECT a.id, %(d)s, clock_timestamp(), sum_w.d12, sum_w.d3,
  round((coalesce(c.l0, 0) + coalesce(r.w, 0)) / nullif(sum_w.w, 0), 6)::float8,
  round((coalesce(c.l15, 0) + coalesce(r.l15, 0)) / nullif(sum_w.w, 0), 6)::float8,
  round((coalesce(c.l30, 0) + coalesce(r.l30, 0)) / nullif(sum_w.w, 0), 6)::float8,
  greatest(c.mx, r.oldest), coalesce(r.oldest, 0),
  round(coalesce(r.od, 0) / nullif(coalesce(b.due, 0) + coalesce(r.od_old, 0), 0), 6)::float8,
  round(coalesce(r.od60, 0) / nullif(coalesce(b.due, 0) + coalesce(r.od_old, 0), 0), 6)::float8,
  coalesce(r.n, 0), coalesce(p.broken, 0), round(p.broken::numeric / p.judged, 6)::float8,
  round(r.dis / nullif(b.invoiced, 0), 6)::float8, round(d.n::numeric / nullif(b.ni, 0), 6)::float8,
  round(b.credited / nullif(b.invoiced, 0), 6)::float8, round(m.lost / nullif(b.invoiced2, 0), 6)::float8,
  coalesce(m.returned, 0), coalesce(b.n, 0), (%(d)s - least(b.first_on, cu.customer_since)) * 12 / 365,
  %(d)s - b.last_on,
  round((coalesce(c.signed, 0) + coalesce(r.wd, 0)) / nullif(sum_w.w, 0), 6)::float8,
  n.c, n.c0, n.c15, n.c30, n.c60, greatest(b.largest, r.largest) %% 1000,
  round((n.c - n.c0)::numeric / nullif(n.c, 0), 6)::float8,
  round(sqrt((n.c * n.days2 - n.days * n.days)::numeric / nullif(n.c * n.c, 0)), 6)::float8,
  round(sum_w.d3::numeric - sum_w.older, 6)::float8,
  round(n.c30::numeric / nullif(n.c0, 0), 6)::float8, round(n.c60::numeric / nullif(n.c30, 0), 6)::float8,
  round(c.receipts::numeric / nullif(n.c, 0), 6)::float8, coalesce(r.parts, 0),
  round(coalesce(r.od30, 0) / nullif(coalesce(b.due, 0) + coalesce(r.od_old, 0), 0), 6)::float8,
  round(coalesce(r.od90, 0) / nullif(coalesce(b.due, 0) + coalesce(r.od_old, 0), 0), 6)::float8,
  round(r.od_days / nullif(r.od, 0), 6)::float8, round(u.held / nullif(r.od, 0), 6)::float8, %(d)s - c.paid_on,
  coalesce(d.still, 0), coalesce(d.oldest, 0), round(b.nc::numeric / nullif(b.ni, 0), 6)::float8,
  round(coalesce(r.open, 0) * 12 / nullif(b.invoiced, 0), 6)::float8,
  round((coalesce(b.q1, 0) + coalesce(b.q2, 0)) / nullif(coalesce(b.q3, 0) + coalesce(b.q4, 0), 0), 6)::float8,
  (b.q1 > 0)::int + (b.q2 > 0)::int + (b.q3 > 0)::int + (b.q4 > 0)::int,
  round((greatest(b.q1, b.q2, b.q3, b.q4) - least(b.q1, b.q2, b.q3, b.q4)) / nullif(b.invoiced, 0), 6)::float8
FROM customers_creditaccount a
JOIN customers_customer cu ON cu.id = a.customer_id
LEFT JOIN cash c ON c.account_id = a.id
LEFT JOIN rest r ON r.account_id = a.id
LEFT JOIN billed b ON b.account_id = a.id
LEFT JOIN promises p ON p.account_id = a.id
LEFT JOIN disputes d ON d.account_id = a.id
LEFT JOIN moves m ON m.account_id = a.id
LEFT JOIN unapplied u ON u.account_id = a.id
CROSS JOIN LATERAL (SELECT coalesce(b.c, 0) + coalesce(r.c, 0) c, coalesce(b.c0, 0) + coalesce(r.c, 0) c0,
  coalesce(b.c15, 0) + coalesce(r.c15, 0) c15, coalesce(b.c30, 0) + coalesce(r.c30, 0) c30,
  coalesce(b.c60, 0) + coalesce(r.c60, 0) c60, coalesce(b.days, 0) + coalesce(r.days, 0) days,
  coalesce(b.days2, 0) + coalesce(r.days2, 0) days2) n
CROSS JOIN LATERAL (SELECT coalesce(c.w, 0) + coalesce(r.w, 0) w,
  round((coalesce(c.wd, 0) + coalesce(r.wd, 0)) / nullif(coalesce(c.w, 0) + coalesce(r.w, 0), 0), 6)::float8 d12,
  round((coalesce(c.wd3, 0) + coalesce(r.wd3, 0)) / nullif(coalesce(c.w3, 0) + coalesce(r.w3, 0), 0), 6)::float8 d3,
  (coalesce(c.wd, 0) + coalesce(r.wd, 0) - coalesce(c.wd3, 0) - coalesce(r.wd3, 0))
    / nullif(coalesce(c.w, 0) + coalesce(r.w, 0) - coalesce(c.w3, 0) - coalesce(r.w3, 0), 0) older
) sum_w
ON CONFLICT (account_id) DO UPDATE SET (as_of, stamp, d12, d3, l0, l15, l30, mx, oldest, od, od60, n_od, broken,
  broken_share, disputed, dispute_rate, credited, lost, returned, n_due, months, idle, signed_days, counted, late,
  late15, late30, late60, largest, punctual, spread, trend, rolled30, rolled60, receipts, parts, od30, od90, od_age,
  unapplied, paid, still, oldest_dispute, credit_rate, open_months, turnover, quarters, swing) = ROW
  (excluded.as_of, excluded.stamp, excluded.d12, excluded.d3, excluded.l0, excluded.l15, excluded.l30, excluded.mx,
  excluded.oldest, excluded.od, excluded.od60, excluded.n_od, excluded.broken, excluded.broken_share,
  excluded.disputed, excluded.dispute_rate, excluded.credited, excluded.lost, excluded.returned, excluded.n_due,
  excluded.months, excluded.idle, excluded.signed_days, excluded.counted, excluded.late, excluded.late15,
  excluded.late30, excluded.late60, excluded.largest, excluded.punctual, excluded.spread, excluded.trend,
  excluded.rolled30, excluded.rolled60, excluded.receipts, excluded.parts, excluded.od30, excluded.od90,
  excluded.od_age, excluded.unapplied, excluded.paid, excluded.still, excluded.oldest_dispute, excluded.credit_rate,
  excluded.open_months, excluded.turnover, excluded.quarters, excluded.swing)
