// The arithmetic of the control tick and of the twins, in one library; studio/core/kernel.py builds it.
#include "bus.h"
#include "control.h"
#include "mit_codec.h"
#include "ring.h"
#include "socket.h"
#include "twins.h"
