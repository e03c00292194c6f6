create table organizations (
  id bigint, name text, external_id text);
insert into organizations values
 (1, 'Ada Ltd', '0015g00000Ada1AAAB'),
 (2, 'Bee & Söhne GmbH', '0015g00000Bee1AAAB'),
 (3, 'Unknown', null);
create table tickets (
  id bigint, organization_id bigint, created_at timestamptz, updated_at timestamptz,
  status text, priority text, type text, tags jsonb, satisfaction_rating jsonb, subject text);
insert into tickets values
 (101, 1, '2025-03-03T09:15:00Z', '2025-03-07T18:00:00Z', 'closed', 'high', 'incident', '["billing"]', '{"score":"good","id":5}', 'An invoice'),
 (102, 1, '2025-03-10T10:00:00Z', '2025-03-12T08:00:00Z', 'open', 'urgent', 'problem', '[]', '{"score":"bad","id":6}', 'Down'),
 (103, 2, '2025-04-01T23:59:59Z', '2025-04-01T23:59:59Z', 'new', null, null, '[]', '{"score":"unoffered"}', 'Hello'),
 (105, 2, '2025-04-03T08:00:00Z', '2025-04-03T08:05:00Z', 'closed', 'normal', null, '["closed_by_merge"]', null, 'Twice'),
 (107, 3, '2025-04-05T08:00:00Z', '2025-04-05T08:00:00Z', 'open', 'normal', null, '[]', null, 'Who?'),
 (108, 2, '2025-04-05T08:00:00Z', '2025-04-05T08:00:00Z', 'deleted', 'normal', null, '[]', null, 'SPAM');
create table ticket_metrics (
  id bigint, ticket_id bigint, solved_at timestamptz, reopens bigint,
  reply_time_in_minutes jsonb);
insert into ticket_metrics values
 (1, 101, '2025-03-03T17:45:30Z', 0, '{"calendar":42,"business":12}'),
 (2, 102, '2025-03-11T10:00:00Z', 2, '{"calendar":7,"business":7}'),
 (3, 103, null, 0, '{"calendar":null,"business":null}');
