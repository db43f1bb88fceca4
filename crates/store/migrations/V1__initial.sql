-- Resources. Rows are never removed: `deleted` marks what is gone, so that a number always means the same name and a
-- name created again is the same account. `form` is the declarative form as JSON, without what is inside it.

CREATE TABLE counter (
    name TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE sealed (
    name TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE upstream (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    form TEXT NOT NULL,
    deleted INTEGER NOT NULL DEFAULT 0 CHECK (deleted IN (0, 1))
) STRICT;

CREATE TABLE model (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    form TEXT NOT NULL,
    deleted INTEGER NOT NULL DEFAULT 0 CHECK (deleted IN (0, 1))
) STRICT;

-- Prices are only ever added. A version that was announced but withdrawn before it came into force stays, marked.
CREATE TABLE price (
    model INTEGER NOT NULL REFERENCES model (number),
    version INTEGER NOT NULL CHECK (version > 0),
    effective_from INTEGER NOT NULL,
    rates TEXT NOT NULL,
    withdrawn INTEGER NOT NULL DEFAULT 0 CHECK (withdrawn IN (0, 1)),
    PRIMARY KEY (model, version)
) STRICT, WITHOUT ROWID;

CREATE TABLE tenant (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    form TEXT NOT NULL,
    deleted INTEGER NOT NULL DEFAULT 0 CHECK (deleted IN (0, 1))
) STRICT;

CREATE TABLE project (
    number INTEGER PRIMARY KEY,
    tenant INTEGER NOT NULL REFERENCES tenant (number),
    parent INTEGER REFERENCES project (number),
    path TEXT NOT NULL,
    form TEXT NOT NULL,
    deleted INTEGER NOT NULL DEFAULT 0 CHECK (deleted IN (0, 1)),
    UNIQUE (tenant, path)
) STRICT;

-- The secret exists only as a keyed hash; a deleted key has none.
CREATE TABLE key (
    number INTEGER PRIMARY KEY,
    project INTEGER NOT NULL REFERENCES project (number),
    name TEXT NOT NULL,
    hash BLOB UNIQUE CHECK (length(hash) = 32),
    form TEXT NOT NULL,
    deleted INTEGER NOT NULL DEFAULT 0 CHECK (deleted IN (0, 1)),
    UNIQUE (project, name)
) STRICT;

-- What changed last: one row for each thing that ever changed, moved to the end with each change.
CREATE TABLE change (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    kind INTEGER NOT NULL,
    number INTEGER NOT NULL,
    UNIQUE (kind, number)
) STRICT;

-- Entries: what attempts used and cost, and what tenants paid. Amounts are nano-USD, times microseconds since the
-- epoch. Rows of `usage`, `resolution` and `credit` never change; each belongs to a block.

-- Names that repeat are numbers into this dictionary, counted from one without gaps.
CREATE TABLE name (
    number INTEGER PRIMARY KEY,
    text TEXT NOT NULL UNIQUE
) STRICT;

-- One row an attempt, newest last, so that writing is appending. `attempt` is epoch * 2^40 + sequence; `record` is the
-- journal's record of its end as it was, with a CRC-32 behind it.
CREATE TABLE usage (
    attempt INTEGER PRIMARY KEY,
    block INTEGER NOT NULL,
    tenant INTEGER NOT NULL,
    record BLOB NOT NULL
) STRICT;

-- Each entry is a span of 16,384 attempts, a tenant and an attempt, in that order: writing touches the few pages of the
-- latest span, however many tenants there are, and reading goes from span to span.
CREATE INDEX usage_by_tenant ON usage (attempt >> 14, tenant);

-- How an attempt of which nobody knew the cost was ended. It adds to the sums of its usage row.
CREATE TABLE resolution (
    attempt INTEGER PRIMARY KEY,
    block INTEGER NOT NULL,
    at INTEGER NOT NULL,
    charged INTEGER NOT NULL,
    charged_tokens INTEGER NOT NULL,
    variance INTEGER NOT NULL,
    reason TEXT NOT NULL
) STRICT;

-- What a tenant paid in advance, signed. A reference is given by whoever pays, so that paying twice counts once.
CREATE TABLE credit (
    number INTEGER PRIMARY KEY,
    block INTEGER NOT NULL,
    tenant INTEGER NOT NULL,
    at INTEGER NOT NULL,
    nanos INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    note TEXT NOT NULL,
    reference TEXT,
    UNIQUE (tenant, reference)
) STRICT;

-- Attempts that have not ended (state 0), or of which nobody knows how they did (1). `intent` is the journal's record.
CREATE TABLE hold (
    attempt INTEGER PRIMARY KEY,
    state INTEGER NOT NULL CHECK (state IN (0, 1)),
    intent BLOB NOT NULL
) STRICT;

-- The latest durable permission of each account; project and key are zero where it has none.
CREATE TABLE lease (
    tenant INTEGER NOT NULL,
    project INTEGER NOT NULL,
    key INTEGER NOT NULL,
    period INTEGER NOT NULL,
    resource INTEGER NOT NULL,
    starts INTEGER NOT NULL,
    up_to INTEGER NOT NULL,
    lost INTEGER NOT NULL,
    PRIMARY KEY (tenant, project, key, period, resource)
) STRICT, WITHOUT ROWID;

-- One row a transaction that changed any of the above. `hash` covers the row and the hash before it, so that the last
-- one stands for everything. `names` is the highest number of the dictionary then, `content` the hash of the rows that
-- belong to the block, `holds` and `leases` those of the whole tables after it.
CREATE TABLE block (
    number INTEGER PRIMARY KEY,
    applied INTEGER NOT NULL,
    usages INTEGER NOT NULL,
    resolutions INTEGER NOT NULL,
    credits INTEGER NOT NULL,
    names INTEGER NOT NULL,
    content BLOB NOT NULL CHECK (length(content) = 32),
    holds BLOB NOT NULL CHECK (length(holds) = 32),
    leases BLOB NOT NULL CHECK (length(leases) = 32),
    hash BLOB NOT NULL CHECK (length(hash) = 32)
) STRICT;

-- Sums per quarter of an hour (every offset of a time zone is a multiple of that), so that calendar periods of any zone
-- are exact sums of rows. `bucket` is microseconds since the epoch divided by 900,000,000.
CREATE TABLE rollup (
    tenant INTEGER NOT NULL,
    bucket INTEGER NOT NULL,
    project INTEGER NOT NULL,
    key INTEGER NOT NULL,
    model INTEGER NOT NULL,
    charged INTEGER NOT NULL,
    charged_tokens INTEGER NOT NULL,
    calls INTEGER NOT NULL,
    input INTEGER NOT NULL,
    cached_input INTEGER NOT NULL,
    cache_write INTEGER NOT NULL,
    audio_input INTEGER NOT NULL,
    output INTEGER NOT NULL,
    reasoning INTEGER NOT NULL,
    audio_output INTEGER NOT NULL,
    web_searches INTEGER NOT NULL,
    variance INTEGER NOT NULL,
    unresolved INTEGER NOT NULL,
    unresolved_tokens INTEGER NOT NULL,
    PRIMARY KEY (tenant, bucket, project, key, model)
) STRICT, WITHOUT ROWID;

CREATE TABLE rollup_end_user (
    tenant INTEGER NOT NULL,
    bucket INTEGER NOT NULL,
    end_user TEXT NOT NULL,
    charged INTEGER NOT NULL,
    charged_tokens INTEGER NOT NULL,
    calls INTEGER NOT NULL,
    input INTEGER NOT NULL,
    cached_input INTEGER NOT NULL,
    cache_write INTEGER NOT NULL,
    audio_input INTEGER NOT NULL,
    output INTEGER NOT NULL,
    reasoning INTEGER NOT NULL,
    audio_output INTEGER NOT NULL,
    web_searches INTEGER NOT NULL,
    variance INTEGER NOT NULL,
    unresolved INTEGER NOT NULL,
    unresolved_tokens INTEGER NOT NULL,
    PRIMARY KEY (tenant, bucket, end_user)
) STRICT, WITHOUT ROWID;

-- Attempts of calls that came with an Idempotency-Key and consumed it. `name` stands for the key and whose it is, `body`
-- for what was asked, both as keyed hashes; `answer_bytes` is null where no answer is kept. No money: not in the chain.
CREATE TABLE used_key (
    attempt INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    tenant TEXT NOT NULL,
    name BLOB NOT NULL CHECK (length(name) = 16),
    body BLOB NOT NULL CHECK (length(body) = 16),
    answer_bytes INTEGER
) STRICT;

CREATE INDEX used_key_by_at ON used_key (at);

-- Their answers, sealed.
CREATE TABLE kept_answer (
    attempt INTEGER PRIMARY KEY,
    sealed BLOB NOT NULL
) STRICT;
