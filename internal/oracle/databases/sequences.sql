-- Sequences: free, owned, of identity columns, in every state.
CREATE SCHEMA q;
CREATE SEQUENCE q.fresh;
CREATE SEQUENCE q.started START 50 INCREMENT 5 MINVALUE 10 MAXVALUE 1000 CACHE 20 CYCLE;
CREATE SEQUENCE q.small AS smallint INCREMENT BY -1;
CREATE SEQUENCE q.integer AS integer MAXVALUE 2147483647;
CREATE SEQUENCE q.big MINVALUE -9223372036854775808 START -9223372036854775808;
CREATE SEQUENCE q.descending INCREMENT -10 START -5 MAXVALUE -5 MINVALUE -1000000;
CREATE TABLE q.t (a serial, b bigint GENERATED ALWAYS AS IDENTITY (INCREMENT 3), c int DEFAULT nextval('q.fresh'), d int);
CREATE SEQUENCE q.owned OWNED BY q.t.d;
INSERT INTO q.t (d) VALUES (1), (2), (3);
SELECT nextval('q.started'), nextval('q.small'), nextval('q.descending'), setval('q.integer', 2147483647), setval('q.owned', 42, false), setval('q.big', 9223372036854775807);
ALTER SEQUENCE q.fresh OWNER TO regress_pgcofre_owner;
COMMENT ON SEQUENCE q.owned IS 'a sequence';
CREATE TABLE q.default_dropped (a serial);
ALTER TABLE q.default_dropped ALTER a DROP DEFAULT;
CREATE TABLE q.elsewhere (a int);
CREATE SEQUENCE q.elsewhere_seq OWNED BY q.elsewhere.a;
ALTER TABLE q.elsewhere ALTER a SET DEFAULT nextval('q.elsewhere_seq');
--@ 15+
CREATE UNLOGGED SEQUENCE q.unlogged;
CREATE UNLOGGED TABLE q.unlogged_table (a serial, b int GENERATED ALWAYS AS IDENTITY);
