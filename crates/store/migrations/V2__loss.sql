-- Openings at whose start all that a loss of power may have taken was written down as lost. Without the row of its opening a
-- loss is counted again at the next start. No money: not in the chain.
CREATE TABLE loss (
    epoch INTEGER PRIMARY KEY
) STRICT;
