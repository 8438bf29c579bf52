run data $S
run data-again $S
