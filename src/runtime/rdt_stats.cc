#include "rdt_stats.h"

#include <algorithm>

#include "rdt_schema.h"
#include <corten/base/strings.h>

namespace corten::runtime {

namespace {

class Reader {
 public:
  explicit Reader(const Resctrl& resctrl) : resctrl_(resctrl) {}

  std::string text(const std::string& path) const {
    return std::string(trim(resctrl_.read(path).value_or("")));
  }
  // Counters may say "Unavailable" or "Error".
  uint64_t number(const std::string& path) const {
    return parse_integer<uint64_t>(text(path)).value_or(0);
  }
  bool has(const std::string& directory) const { return resctrl_.list(directory).has_value(); }
  std::vector<std::string> lines(const std::string& path) const {
    return schemata_lines(resctrl_.read(path).value_or(""));
  }
  // One directory a cache.
  std::vector<std::string> domains(const std::string& directory) const {
    std::vector<std::string> names = resctrl_.list(directory).value_or(std::vector<std::string>());
    std::erase_if(names, [](const std::string& name) { return !name.starts_with("mon_L3_"); });
    for (auto& name : names) name.insert(0, directory + "/");
    return names;
  }

 private:
  const Resctrl& resctrl_;
};

std::string line_of(const std::vector<std::string>& lines, std::string_view resource) {
  std::string found;
  for (const auto& line : lines) {
    if (line.starts_with(resource)) found = line;  // L3CODE and L3DATA: the last one, as in runc
  }
  return found;
}

void read_counters(const Reader& reader, const std::string& group, RdtStats& stats) {
  const auto features = reader.lines("info/L3_MON/mon_features");
  const auto counts = [&](const char* name) {
    return std::find(features.begin(), features.end(), name) != features.end();
  };
  const auto domains = reader.domains(group + "/mon_data");
  if (counts("mbm_total_bytes") || counts("mbm_local_bytes")) {
    auto& all = stats.mbm_stats.emplace();
    for (const auto& domain : domains)
      all.push_back(
          {reader.number(domain + "/mbm_total_bytes"), reader.number(domain + "/mbm_local_bytes")});
  }
  if (!counts("llc_occupancy")) return;
  auto& all = stats.cmt_stats.emplace();
  for (const auto& domain : domains) all.push_back(reader.number(domain + "/llc_occupancy"));
}

}  // namespace

RdtStats read_rdt_stats(const Resctrl& resctrl, const RdtGroups& groups, const std::string& id) {
  const Reader reader(resctrl);
  RdtStats stats;
  const auto root = reader.lines("schemata");
  stats.schemata = reader.lines(Resctrl::class_path(groups) + "/schemata");
  if (reader.has("info/L3")) {
    stats.l3_cache_info = {reader.text("info/L3/cbm_mask"),
                           reader.number("info/L3/min_cbm_bits"),
                           reader.number("info/L3/num_closids")};
    stats.l3_cache_schema_root = line_of(root, "L3");
    stats.l3_cache_schema = line_of(stats.schemata, "L3");
  }
  if (reader.has("info/MB")) {
    stats.mem_bw_info = {reader.number("info/MB/bandwidth_gran"),
                         reader.number("info/MB/delay_linear"),
                         reader.number("info/MB/min_bandwidth"),
                         reader.number("info/MB/num_closids")};
    stats.mem_bw_schema_root = line_of(root, "MB");
    stats.mem_bw_schema = line_of(stats.schemata, "MB");
  }
  read_counters(reader, Resctrl::counting_path(groups, id), stats);
  return stats;
}

}  // namespace corten::runtime
