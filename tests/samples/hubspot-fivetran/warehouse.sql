create table company (
  id bigint, is_deleted boolean, property_name text, property_industry text,
  property_country text, property_numberofemployees bigint, property_hubspot_owner_id bigint,
  property_lifecyclestage text);
insert into company values
 (8801234567, false, 'Ada Ltd', 'COMPUTER_SOFTWARE', 'United Kingdom', 120, 77, 'customer'),
 (8801234568, false, 'Bee & Söhne GmbH', null, 'Germany', null, null, 'customer'),
 (8801234599, true, 'Gone', null, null, null, null, null);
create table deal_pipeline_stage (
  stage_id text, pipeline_id text, label text, probability numeric);
insert into deal_pipeline_stage values
 ('closedwon', 'default', 'Closed Won', 1),
 ('contractsent', 'default', 'Contract Sent', 0.9);
create table deal (
  deal_id bigint, is_deleted boolean, deal_pipeline_stage_id text, owner_id bigint,
  property_createdate timestamptz, property_closedate timestamptz, property_amount numeric,
  property_hs_is_closed boolean, property_hs_is_closed_won boolean);
insert into deal values
 (5500000001, false, 'closedwon', 77, '2023-11-03 23:30:00+00:00', '2023-12-18 17:05:00+00:00', 12000, true, true),
 (5500000002, false, 'contractsent', 77, '2025-01-20 09:30:00+00:00', '2025-02-28 00:00:00+00:00', 3600, false, false),
 (5500000009, true, 'closedwon', 77, '2025-01-20 09:30:00+00:00', '2025-02-28 00:00:00+00:00', 1, true, true);
create table deal_company (
  deal_id bigint, company_id bigint, type_id bigint);
insert into deal_company values
 (5500000001, 8801234567, 5),
 (5500000001, 8801234568, 341),
 (5500000002, 8801234567, 5),
 (5500000009, 8801234567, 5);
