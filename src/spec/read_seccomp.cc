// config-linux.md "Seccomp".
#include "read.h"

namespace corten::spec {

void read_value(Cursor cursor, Seccomp& out) {
  ObjectReader object(cursor);
  object.required("defaultAction", out.default_action);
  object.optional("defaultErrnoRet", out.default_errno_ret);
  object.optional("architectures", out.architectures);
  object.optional("flags", out.flags);
  object.optional("listenerPath", out.listener_path);
  object.optional("listenerMetadata", out.listener_metadata);
  object.optional("syscalls", out.syscalls);
}

void read_value(Cursor cursor, SeccompSyscall& out) {
  ObjectReader object(cursor);
  object.required("names", out.names);
  object.required("action", out.action);
  object.optional("errnoRet", out.errno_ret);
  object.optional("args", out.args);
}

void read_value(Cursor cursor, SeccompArg& out) {
  ObjectReader object(cursor);
  object.required("index", out.index);
  object.required("value", out.value);
  object.optional("valueTwo", out.value_two);
  object.required("op", out.op);
}

}  // namespace corten::spec
