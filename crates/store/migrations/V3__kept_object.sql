-- Objects that providers keep for tenants, in the order in which they were made, so that a list shows a tenant its own and
-- nobody else's. `id` is the sealed one; `sealed` is what the provider said of it. No money: not in the chain.
CREATE TABLE kept_object (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant TEXT NOT NULL,
    kind INTEGER NOT NULL,
    id TEXT NOT NULL,
    purpose TEXT NOT NULL,
    expires INTEGER,
    sealed BLOB NOT NULL,
    UNIQUE (tenant, kind, id)
) STRICT;
