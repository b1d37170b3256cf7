"""The facts about boards, wiring, parts and power, as data that the code reads."""
