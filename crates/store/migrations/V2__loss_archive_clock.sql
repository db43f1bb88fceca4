-- Openings at whose start all that a loss of power may have taken was written down as lost. Without the row of its opening a
-- loss is counted again at the next start. No money: not in the chain.
CREATE TABLE loss (
    epoch INTEGER PRIMARY KEY
) STRICT;

-- Files in the folder archive that have rows of usage which were moved out of here. Each is a database with a table like
-- usage. No money: what belongs to a block is in the chain, wherever its rows are.
CREATE TABLE archive (
    file TEXT PRIMARY KEY
) STRICT;

-- What the wall clock and the clock of the machine's run showed at one moment, in microseconds: noted at each start and
-- when the wall clock was set. No money: not in the chain.
CREATE TABLE clock_anchor (
    number INTEGER PRIMARY KEY,
    boot BLOB NOT NULL CHECK (length(boot) = 16),
    since_boot INTEGER NOT NULL,
    wall INTEGER NOT NULL
) STRICT;
