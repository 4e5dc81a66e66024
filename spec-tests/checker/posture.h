// The posture report: one JSON document of everything that a process can see of its own
// environment.
#pragma once

#include "json_out.h"

namespace checker {

// Writes one object with the stat result of path: type, mode, uid, gid, rdev; or the error number.
void write_stat(JsonOut& out, const char* path);

// Writes the members of /proc/self/ns as an object of type -> inode number.
void write_namespaces(JsonOut& out);

void write_environment(JsonOut& out);

// Writes the whole posture as one object.
void write_posture(JsonOut& out, int argc, char** argv);

}  // namespace checker
