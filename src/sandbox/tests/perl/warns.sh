run warns $S
run warns-again $S
run warns-through-perl perl $S
run warns-twice perl -w $S
