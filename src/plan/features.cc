// The features document, from the same tables that validation and the builders use: it cannot claim
// what they do not know. Nothing of the host is looked at.
// Spec: features.md, features-linux.md.
#include <algorithm>
#include <vector>

#include <seccomp.h>

#include "capability_names.h"
#include "mount_options.h"
#include <corten/base/json_text.h>
#include <corten/plan/features.h>
#include <corten/spec/names.h>
#include <corten/spec/parse.h>

namespace corten::plan {
namespace {

// Compile-time version of the library that supplies system call numbers.
std::string libseccomp_version() {
  return std::to_string(SCMP_VER_MAJOR) + "." + std::to_string(SCMP_VER_MINOR) + "." +
         std::to_string(SCMP_VER_MICRO);
}

template <typename Table>
std::vector<std::string_view> sorted_names(const Table& table) {
  std::vector<std::string_view> names;
  for (const auto& entry : table) names.push_back(entry.name);
  std::sort(names.begin(), names.end());
  return names;
}

template <typename Table>
std::vector<std::string_view> names_in_order(const Table& table) {
  std::vector<std::string_view> names;
  for (const auto& entry : table) names.push_back(entry.name);
  return names;
}

void write_support(JsonWriter& json, std::string_view name, bool enabled) {
  json.key(name).begin_object().field("enabled", enabled).end_object();
}

void write_enabled(JsonWriter& json, std::string_view name) { write_support(json, name, true); }

void write_cgroup(JsonWriter& json) {
  json.key("cgroup")
      .begin_object()
      .field("v1", true)
      .field("v2", true)
      .field("systemd", true)
      .field("systemdUser", true)
      .field("rdma", true)
      .end_object();
}

void write_seccomp(JsonWriter& json) {
  json.key("seccomp")
      .begin_object()
      .field("enabled", true)
      .strings("actions", sorted_names(spec::kSeccompActions))
      .strings("operators", sorted_names(spec::kSeccompOperators))
      .strings("archs", sorted_names(spec::kSeccompArches))
      .strings("knownFlags", sorted_names(spec::kSeccompFlags))
      .strings("supportedFlags", sorted_names(spec::kSeccompFlags))
      .end_object();
}

void write_memory_policy(JsonWriter& json) {
  json.key("memoryPolicy")
      .begin_object()
      .strings("modes", names_in_order(spec::kMemoryPolicyModes))
      .strings("flags", names_in_order(spec::kMemoryPolicyFlags))
      .end_object();
}

void write_intel_rdt(JsonWriter& json) {
  json.key("intelRdt")
      .begin_object()
      .field("enabled", true)
      .field("schemata", true)
      .field("monitoring", true)
      .end_object();
}

void write_linux(JsonWriter& json) {
  json.key("linux")
      .begin_object()
      .strings("namespaces", sorted_names(spec::kNamespaceTypes))
      .strings("capabilities", names_in_order(kCapabilities));
  write_cgroup(json);
  write_seccomp(json);
  write_enabled(json, "apparmor");
  write_enabled(json, "selinux");
  write_memory_policy(json);
  write_intel_rdt(json);
  json.key("mountExtensions").begin_object();
  write_enabled(json, "idmap");
  json.end_object();
  write_enabled(json, "netDevices");
  json.end_object();
}

void write_annotations(JsonWriter& json, std::string_view version) {
  json.key("annotations")
      .begin_object()
      .field("io.github.seccomp.libseccomp.version", libseccomp_version())
      .field("org.corten.version", version)
      // Engines ask for checkpoint support under this key, whatever the runtime.
      .field("org.opencontainers.runc.checkpoint.enabled", "true")
      .end_object();
}

}  // namespace

std::string features_json(std::string_view version) {
  JsonWriter json(JsonWriter::Style::Indented);
  json.begin_object()
      .field("ociVersionMin", spec::kOciVersionMin)
      .field("ociVersionMax", spec::kOciVersionMax)
      .strings("hooks", names_in_order(spec::kHookKinds))
      .strings("mountOptions", names_in_order(kMountOptions));
  write_linux(json);
  write_annotations(json, version);
  // What an engine should not pass on from untrusted configurations; a final dot means a prefix.
  constexpr std::string_view kUnsafe[] = {"org.criu.config", "org.systemd.property.", "run.oci."};
  json.strings("potentiallyUnsafeConfigAnnotations", kUnsafe);
  json.end_object();
  return json.take();
}

}  // namespace corten::plan
