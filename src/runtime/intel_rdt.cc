#include "intel_rdt.h"

#include <cerrno>
#include <optional>
#include <utility>

#include <corten/base/log.h>

namespace corten::runtime {

namespace {

constexpr const char* kNotMounted =
    "no resctrl filesystem is mounted (mount -t resctrl resctrl /sys/fs/resctrl)";

}  // namespace

Result<Resctrl> open_resctrl() {
  std::optional<Resctrl> found = TRY(Resctrl::find());
  if (!found) return Error::spec("/linux/intelRdt", kNotMounted);
  return std::move(*found);
}

Result<> enter_rdt_groups(const Record& record, pid_t tid) {
  if (!record.rdt) return {};
  const std::optional<Resctrl> resctrl = TRY(Resctrl::find());
  const Result<> entered = resctrl
                               ? resctrl->enter(*record.rdt, record.id, tid)
                               : Result<>(Error(ErrorKind::System, kNotMounted).with_errno(ENOENT));
  if (entered || entered.error().errno_value() != ENOENT) return entered;
  log::warning(entered.error().message() + ", ignoring");
  return {};
}

Result<> remove_rdt_groups(const Record& record) {
  if (!record.rdt || (!record.rdt->remove_class && !record.rdt->monitoring)) return {};
  const std::optional<Resctrl> resctrl = TRY(Resctrl::find());
  return resctrl ? resctrl->remove_groups(*record.rdt, record.id) : Result<>();
}

Result<RdtStats> rdt_stats_of(const Record& record) {
  if (!record.rdt) return RdtStats{};
  const std::optional<Resctrl> resctrl = TRY(Resctrl::find());
  return resctrl ? read_rdt_stats(*resctrl, *record.rdt, record.id) : RdtStats{};
}

}  // namespace corten::runtime
