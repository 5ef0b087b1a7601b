//! Configuration to rule set, rule set to restore text, observed rules to difference.
