// The checker as a hook program: records the circumstances of one hook call.
#pragma once

namespace checker {

// Appends one JSON line to the log named by argv and returns the exit status that argv asks for.
// argv: NAME LOG [exit=N] [exists=PATH]... [read=PATH]... [wait=FIFO] [hang]
int run_hook(int argc, char** argv);

}  // namespace checker
