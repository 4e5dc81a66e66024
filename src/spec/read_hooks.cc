// config.md "POSIX-platform Hooks".
#include "read.h"

namespace corten::spec {

void read_value(Cursor cursor, Hooks& out) {
  ObjectReader object(cursor);
  object.optional("prestart", out.prestart);
  object.optional("createRuntime", out.create_runtime);
  object.optional("createContainer", out.create_container);
  object.optional("startContainer", out.start_container);
  object.optional("poststart", out.poststart);
  object.optional("poststop", out.poststop);
}

void read_value(Cursor cursor, Hook& out) {
  ObjectReader object(cursor);
  object.required("path", out.path);
  object.optional("args", out.args);
  object.optional("env", out.env);
  object.optional("timeout", out.timeout);
}

}  // namespace corten::spec
