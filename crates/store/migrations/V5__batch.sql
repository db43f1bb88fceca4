-- Batches that providers are still busy with: for which attempt money is held, and under which sealed id its tenant knows it.
-- What they cost is written when they end, like any attempt's; then the row goes. No money: not in the chain.
CREATE TABLE batch (
    attempt INTEGER PRIMARY KEY,
    tenant TEXT NOT NULL,
    kind INTEGER NOT NULL,
    id TEXT NOT NULL
) STRICT;
