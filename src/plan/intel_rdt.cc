// linux.intelRdt -> IntelRdt.
// Spec: config-linux.md "IntelRdt".
#include "builders.h"
#include <corten/base/strings.h>
#include <corten/plan/build.h>

namespace corten::plan {
namespace {

constexpr const char* kBase = "/linux/intelRdt";

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

Result<std::vector<RdtSchema>> build_rdt_schemata(const spec::IntelRdt& configured) {
  const std::string base = kBase;
  std::vector<RdtSchema> schemata;
  if (configured.l3_cache_schema && !configured.l3_cache_schema->empty()) {
    TRY(check_line(*configured.l3_cache_schema, "", base + "/l3CacheSchema"));
    schemata.push_back({*configured.l3_cache_schema, base + "/l3CacheSchema", true});
  }
  if (configured.mem_bw_schema && !configured.mem_bw_schema->empty()) {
    TRY(check_line(*configured.mem_bw_schema, "MB:", base + "/memBwSchema"));
    schemata.push_back({*configured.mem_bw_schema, base + "/memBwSchema", true});
  }
  for (std::size_t i = 0; i < configured.schemata.size(); ++i) {
    if (configured.schemata[i].empty()) continue;
    const std::string pointer = pointer_at(base + "/schemata", i);
    TRY(check_line(configured.schemata[i], "", pointer));
    schemata.push_back({configured.schemata[i], pointer, false});
  }
  return schemata;
}

Result<IntelRdt> build_intel_rdt(const spec::IntelRdt& configured, std::string_view id) {
  IntelRdt rdt;
  rdt.configured_clos = configured.clos_id && !configured.clos_id->empty();
  rdt.clos_id = rdt.configured_clos ? *configured.clos_id : std::string(id);
  if (rdt.clos_id == "/") {
    rdt.clos_id.clear();
  } else if (!usable_directory(rdt.clos_id)) {
    return Error::spec(std::string(kBase) + "/closID",
                       quote(rdt.clos_id) + " cannot be a class of service");
  }
  rdt.schemata = TRY(build_rdt_schemata(configured));
  rdt.monitoring = configured.enable_monitoring;
  return rdt;
}

}  // namespace corten::plan
