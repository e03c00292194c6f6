create table company (id integer, is_deleted boolean, property_name text, property_industry text, property_country text, property_numberofemployees integer, property_hubspot_owner_id integer, property_lifecyclestage text);
insert into company values
 (8801234567, 0, 'Ada Ltd', 'COMPUTER_SOFTWARE', 'United Kingdom', 120, 77, 'customer'),
 (8801234568, 0, 'Bee & Söhne GmbH', null, 'Germany', null, null, 'customer'),
 (8801234599, 1, 'Gone', null, null, null, null, null);
create table deal_pipeline_stage (stage_id text, pipeline_id text, label text, probability numeric);
insert into deal_pipeline_stage values ('closedwon', 'default', 'Closed Won', 1), ('contractsent', 'default', 'Contract Sent', 0.9);
create table deal (deal_id integer, is_deleted boolean, deal_pipeline_stage_id text, owner_id integer, property_createdate text, property_closedate text, property_amount numeric, property_hs_is_closed boolean, property_hs_is_closed_won boolean);
insert into deal values
 (5500000001, 0, 'closedwon', 77, '2023-11-03 23:30:00+00:00', '2023-12-18 17:05:00+00:00', 12000, 1, 1),
 (5500000002, 0, 'contractsent', 77, '2025-01-20 09:30:00+00:00', '2025-02-28 00:00:00+00:00', 3600, 0, 0),
 (5500000009, 1, 'closedwon', 77, '2025-01-20 09:30:00+00:00', '2025-02-28 00:00:00+00:00', 1, 1, 1);
create table deal_company (deal_id integer, company_id integer, type_id integer);
insert into deal_company values (5500000001, 8801234567, 5), (5500000001, 8801234568, 341), (5500000002, 8801234567, 5), (5500000009, 8801234567, 5);
