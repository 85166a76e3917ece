-- Properties of the database itself.
DO $$
DECLARE db text := current_database();
BEGIN
    EXECUTE format('ALTER DATABASE %I SET work_mem = ''8MB''', db);
    EXECUTE format('ALTER DATABASE %I SET search_path = app, "Odd ""x"" '', y", public', db);
    EXECUTE format('ALTER DATABASE %I SET "app.note" = E''it''''s \\ new\nline''', db);
    EXECUTE format('ALTER DATABASE %I SET DateStyle = ''SQL, DMY''', db);
    EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = off', db);
    EXECUTE format('ALTER ROLE regress_pgcofre_reader IN DATABASE %I SET statement_timeout = ''5min''', db);
    EXECUTE format('ALTER ROLE regress_pgcofre_reader IN DATABASE %I SET search_path = ''$user'', app', db);
    EXECUTE format('ALTER ROLE "regress_pgcofre_odd' || E'\n' || '""name"" ''r''" IN DATABASE %I SET log_statement = ''all''', db);
    EXECUTE format('COMMENT ON DATABASE %I IS E''the database''''s\ncomment''', db);
    EXECUTE format('ALTER DATABASE %I CONNECTION LIMIT 77', db);
    EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC', db);
    EXECUTE format('GRANT CREATE, CONNECT ON DATABASE %I TO regress_pgcofre_writer WITH GRANT OPTION', db);
    EXECUTE format('ALTER DATABASE %I OWNER TO regress_pgcofre_owner', db);
END $$;
CREATE SCHEMA app;
CREATE TABLE app.dates (d date, t timestamptz, i interval);
INSERT INTO app.dates VALUES ('2024-12-31', '2024-12-31 23:59:59.123456+00', '1 mon 2 days');
