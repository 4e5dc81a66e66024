// config.md: the top level, root, mounts.
#include "read.h"

namespace corten::spec {

void read_value(Cursor cursor, Spec& out) {
  ObjectReader object(cursor);
  object.required("ociVersion", out.oci_version);
  object.optional("process", out.process);
  object.required("root", out.root);
  object.optional("hostname", out.hostname);
  object.optional("domainname", out.domainname);
  object.optional("mounts", out.mounts);
  object.optional("hooks", out.hooks);
  AnyText annotations{out.annotations};
  object.optional("annotations", annotations);
  object.optional("linux", out.linux_);
}

void read_value(Cursor cursor, Root& out) {
  ObjectReader object(cursor);
  object.required("path", out.path);
  object.optional("readonly", out.readonly);
}

void read_value(Cursor cursor, Mount& out) {
  ObjectReader object(cursor);
  object.required("destination", out.destination);
  object.optional("type", out.type);
  object.optional("source", out.source);
  object.optional("options", out.options);
  object.optional("uidMappings", out.uid_mappings);
  object.optional("gidMappings", out.gid_mappings);
}

void read_value(Cursor cursor, IdMapping& out) {
  ObjectReader object(cursor);
  object.required("containerID", out.container_id, kIdRange);
  object.required("hostID", out.host_id, kIdRange);
  object.required("size", out.size);
}

}  // namespace corten::spec
