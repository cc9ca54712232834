# Everything of one variant; the stubs native_<instruction set>_<precision>.pyx include this file and nothing else.
# In the order in which one understands it:
include "sequence.pxi"
include "plan.pxi"
include "packing.pxi"
include "rnn.pxi"
include "lstm.pxi"
include "gru.pxi"
include "calls.pxi"
include "dense.pxi"
include "autoencoder.pxi"
include "stream.pxi"
