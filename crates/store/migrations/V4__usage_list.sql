-- Which attempts are a tenant's: a row for each tenant and block in a span of 16,384 attempts, with two bytes an attempt
-- (its place in the span, high byte first), in their order. Writing a block adds a row a tenant; the index that this
-- replaces had one a call. It says what rows of usage say, so that it is not in the chain.
CREATE TABLE usage_list (
    span INTEGER NOT NULL,
    tenant INTEGER NOT NULL,
    block INTEGER NOT NULL,
    attempts BLOB NOT NULL,
    PRIMARY KEY (span, tenant, block)
) STRICT, WITHOUT ROWID;

INSERT INTO usage_list (span, tenant, block, attempts)
SELECT attempt >> 14, tenant, block, unhex(group_concat(printf('%04x', attempt & 16383), '' ORDER BY attempt))
FROM usage GROUP BY 1, 2, 3;

DROP INDEX usage_by_tenant;
