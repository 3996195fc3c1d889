"""How the text of a rule is read: tokens, operands, arithmetic; `domain.expression` is the way in."""
