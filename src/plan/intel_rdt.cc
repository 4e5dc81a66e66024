// linux.intelRdt -> IntelRdt.
// Spec: config-linux.md "IntelRdt".
#include "builders.h"
#include <corten/base/strings.h>

namespace corten::plan {
namespace {

Result<> check_line(std::string_view line, std::string_view prefix, const std::string& pointer) {
  if (line.find('\n') != std::string_view::npos) {
    return Error::spec(pointer, "a schema is one line");
  }
  if (!line.starts_with(prefix)) {
    return Error::spec(
        pointer, "a schema here starts with " + quote(prefix) + ", this one is " + quote(line));
  }
  return {};
}

// A directory directly below the resctrl mount, and not one that the kernel keeps there.
bool usable_directory(std::string_view name) {
  return !name.empty() && name != "." && name != ".." && name != "info" && name != "mon_groups" &&
         name != "mon_data" && name.find('/') == std::string_view::npos &&
         name.find('\0') == std::string_view::npos;
}

}  // namespace

Result<IntelRdt> build_intel_rdt(const spec::IntelRdt& configured, std::string_view id) {
  const std::string base = "/linux/intelRdt";
  IntelRdt rdt;
  rdt.configured_clos = configured.clos_id && !configured.clos_id->empty();
  rdt.clos_id = rdt.configured_clos ? *configured.clos_id : std::string(id);
  if (rdt.clos_id == "/") {
    rdt.clos_id.clear();
  } else if (!usable_directory(rdt.clos_id)) {
    return Error::spec(base + "/closID", quote(rdt.clos_id) + " cannot be a class of service");
  }
  if (configured.l3_cache_schema && !configured.l3_cache_schema->empty()) {
    TRY(check_line(*configured.l3_cache_schema, "", base + "/l3CacheSchema"));
    rdt.schemata.push_back(*configured.l3_cache_schema);
  }
  if (configured.mem_bw_schema && !configured.mem_bw_schema->empty()) {
    TRY(check_line(*configured.mem_bw_schema, "MB:", base + "/memBwSchema"));
    rdt.schemata.push_back(*configured.mem_bw_schema);
  }
  for (std::size_t i = 0; i < configured.schemata.size(); ++i) {
    TRY(check_line(configured.schemata[i], "", pointer_at(base + "/schemata", i)));
    rdt.schemata.push_back(configured.schemata[i]);
  }
  rdt.monitoring = configured.enable_monitoring;
  return rdt;
}

}  // namespace corten::plan
