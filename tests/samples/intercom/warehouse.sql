create table company_history (
  id text, company_id text, name text, updated_at timestamptz, _fivetran_active boolean);
insert into company_history values
 ('6401', '0015g00000Ada1AAAB', 'Ada Ltd', '2025-01-01', true),
 ('6401', '0015g00000Ada1AAAB', 'Ada', '2024-01-01', false),
 ('6402', '0015g00000Bee1AAAB', 'Bee & Söhne GmbH', '2025-01-01', true),
 ('6403', '', 'By hand', '2025-01-01', true);
create table contact_company_history (
  contact_id text, company_id text, contact_updated_at timestamptz, _fivetran_active boolean);
insert into contact_company_history values
 ('c1', '6401', '2025-01-01', true),
 ('c2', '6402', '2025-01-01', true),
 ('c2', '6401', '2025-01-01', true),
 ('c3', '6403', '2025-01-01', true);
create table conversation_contact_history (
  conversation_id text, contact_id text, conversation_updated_at timestamptz,
  _fivetran_active boolean);
insert into conversation_contact_history values
 ('9001', 'c1', '2025-03-07', true),
 ('9002', 'c2', '2025-03-12', true),
 ('9003', 'c1', '2025-03-12', true),
 ('9004', 'c3', '2025-03-12', true);
create table conversation_history (
  id text, created_at timestamptz, updated_at timestamptz, state text, priority text,
  source_type text, source_delivered_as text, conversation_rating_value bigint,
  statistics_time_to_admin_reply bigint, statistics_last_close_at timestamptz,
  statistics_count_reopens bigint, _fivetran_active boolean);
insert into conversation_history values
 ('9001', '2025-03-03T09:15:00Z', '2025-03-07T18:00:00Z', 'closed', 'priority', 'conversation', 'customer_initiated', 4, 150, '2025-03-03T17:45:30Z', 1, true),
 ('9001', '2025-03-03T09:15:00Z', '2025-03-04T18:00:00Z', 'open', 'not_priority', 'conversation', 'customer_initiated', null, 150, null, 0, false),
 ('9002', '2025-03-10T10:00:00Z', '2025-03-12T08:00:00Z', 'snoozed', 'not_priority', 'email', 'customer_initiated', null, null, '2025-03-11T00:00:00Z', 0, true),
 ('9003', '2025-03-10T10:00:00Z', '2025-03-12T08:00:00Z', 'open', 'not_priority', 'email', 'admin_initiated', null, null, null, 0, true),
 ('9004', '2025-03-10T10:00:00Z', '2025-03-12T08:00:00Z', 'open', 'not_priority', 'email', 'customer_initiated', null, null, null, 0, true);
