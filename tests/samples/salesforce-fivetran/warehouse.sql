create table account (
  id text, is_deleted boolean, name text, type text, parent_id text, billing_country text,
  industry text, number_of_employees bigint, owner_id text, created_date timestamptz,
  account_source text, _fivetran_deleted boolean);
insert into account values
 ('0015g00000Ada1AAAB', false, 'Ada Ltd', 'Customer - Direct', null, 'United Kingdom', 'Technology', 120, '0055g00000Own1AAAB', '2023-11-02T08:12:45Z', 'Web', false),
 ('0015g00000Bee1AAAB', false, 'Bee & Söhne GmbH', 'Customer - Channel', '0015g00000Ada1AAAB', 'Germany', null, 40, '0055g00000Own2AAAB', '2023-12-20T15:00:01Z', null, false),
 ('0015g00000Dup1AAAB', true, 'Ada Limited (merged)', null, null, null, null, null, null, '2023-11-03T08:12:45Z', null, true);
create table contract (
  id text, account_id text, start_date date, end_date date, contract_term bigint, status text,
  is_deleted boolean);
insert into contract values
 ('8005g00000Co01AAAB', '0015g00000Ada1AAAB', '2024-01-01', '2024-12-31', 12, 'Activated', false),
 ('8005g00000Co02AAAB', '0015g00000Bee1AAAB', '2024-03-01', '2024-05-31', 3, 'Expired', false),
 ('8005g00000Co03AAAB', '0015g00000Bee1AAAB', '2025-03-01', '2025-05-31', 3, 'Draft', false);
create table opportunity (
  id text, account_id text, contract_id text, is_deleted boolean, amount numeric,
  probability numeric, close_date date, stage_name text, is_closed boolean, is_won boolean,
  owner_id text, created_date timestamptz, total_opportunity_quantity real);
insert into opportunity values
 ('0065g00000Op01AAAB', '0015g00000Ada1AAAB', '8005g00000Co01AAAB', false, 12000.12, 100, '2023-12-18', 'Closed Won', true, true, '0055g00000Own1AAAB', '2023-11-03T09:30:00Z', 20.0),
 ('0065g00000Op03AAAB', '0015g00000Bee1AAAB', '8005g00000Co02AAAB', false, 299.97, 100, '2024-02-14', 'Closed Won', true, true, '0055g00000Own2AAAB', '2024-01-03T09:30:00Z', 20.0),
 ('0065g00000Op05AAAB', '0015g00000Bee1AAAB', '8005g00000Co03AAAB', false, 500, 100, '2025-02-14', 'Closed Won', true, true, '0055g00000Own2AAAB', '2025-01-03T09:30:00Z', 20.0),
 ('0065g00000Op08AAAB', '0015g00000Ada1AAAB', null, false, 3600, 75, '2025-02-28', 'Proposal/Price Quote', false, false, '0055g00000Own1AAAB', '2025-01-20T09:30:00Z', 20.0),
 ('0065g00000Op07AAAB', '0015g00000Bee1AAAB', '8005g00000Co02AAAB', true, 7000, 100, '2024-05-30', 'Closed Won', true, true, '0055g00000Own2AAAB', '2024-05-01T11:00:00Z', 20.0);
