create table company_history (id text, company_id text, name text, updated_at text, _fivetran_active boolean);
insert into company_history values
 ('6401', '0015g00000Ada1AAAB', 'Ada Ltd', '2025-01-01', 1), ('6401', '0015g00000Ada1AAAB', 'Ada', '2024-01-01', 0),
 ('6402', '0015g00000Bee1AAAB', 'Bee & Söhne GmbH', '2025-01-01', 1), ('6403', '', 'By hand', '2025-01-01', 1);
create table contact_company_history (contact_id text, company_id text, contact_updated_at text, _fivetran_active boolean);
insert into contact_company_history values
 ('c1', '6401', '2025-01-01', 1), ('c2', '6402', '2025-01-01', 1), ('c2', '6401', '2025-01-01', 1), ('c3', '6403', '2025-01-01', 1);
create table conversation_contact_history (conversation_id text, contact_id text, conversation_updated_at text, _fivetran_active boolean);
insert into conversation_contact_history values
 ('9001', 'c1', '2025-03-07', 1), ('9002', 'c2', '2025-03-12', 1), ('9003', 'c1', '2025-03-12', 1), ('9004', 'c3', '2025-03-12', 1);
create table conversation_history (id text, created_at text, updated_at text, state text, priority text, source_type text, source_delivered_as text, conversation_rating_value integer, statistics_time_to_admin_reply integer, statistics_last_close_at text, statistics_count_reopens integer, _fivetran_active boolean);
insert into conversation_history values
 ('9001', '2025-03-03T09:15:00Z', '2025-03-07T18:00:00Z', 'closed', 'priority', 'conversation', 'customer_initiated', 4, 150, '2025-03-03T17:45:30Z', 1, 1),
 ('9001', '2025-03-03T09:15:00Z', '2025-03-04T18:00:00Z', 'open', 'not_priority', 'conversation', 'customer_initiated', null, 150, null, 0, 0),
 ('9002', '2025-03-10T10:00:00Z', '2025-03-12T08:00:00Z', 'snoozed', 'not_priority', 'email', 'customer_initiated', null, null, '2025-03-11T00:00:00Z', 0, 1),
 ('9003', '2025-03-10T10:00:00Z', '2025-03-12T08:00:00Z', 'open', 'not_priority', 'email', 'admin_initiated', null, null, null, 0, 1),
 ('9004', '2025-03-10T10:00:00Z', '2025-03-12T08:00:00Z', 'open', 'not_priority', 'email', 'customer_initiated', null, null, null, 0, 1);
