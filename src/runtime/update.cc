// update: new limits for a container that exists. What is not named keeps its value, because only
// the named control files are written.
#include <optional>

#include "intel_rdt.h"
#include "store.h"
#include <corten/base/log.h>
#include <corten/cgroup/manager.h>
#include <corten/host/probe.h>
#include <corten/plan/build.h>
#include <corten/runtime/operations.h>
#include <corten/spec/validate.h>

namespace corten::runtime {

namespace {

Error without_rdt() {
  return Error(ErrorKind::InvalidArgument,
               "the container was created without linux.intelRdt: it has no class of service "
               "whose schema could be changed");
}

}  // namespace

Result<> update(const Context& context,
                const std::string& id,
                const spec::Resources& resources,
                const spec::IntelRdt& rdt) {
  Entry entry = TRY(open_entry(context, id));
  TRY(entry.lock());
  const Record record = TRY(entry.load());
  if (status_of(entry, record) == spec::Status::Stopped)
    return Error(ErrorKind::WrongState, "container not running");
  TRY(spec::validate_resources(resources));
  const plan::HostFacts facts = TRY(host::probe());
  const auto writes = TRY(plan::build_cgroup_writes(resources, facts.cgroup));
  const auto manager = cgroup::open_manager(record.cgroup);
  const auto schemata = TRY(plan::build_rdt_schemata(rdt));
  if (schemata.empty()) return manager->update(writes);
  if (!record.rdt) return without_rdt();
  const Resctrl resctrl = TRY(open_resctrl());
  const auto before = TRY(resctrl.write_schemata(*record.rdt, schemata));
  Result<> updated = manager->update(writes);
  if (updated) return {};
  const auto restored = resctrl.write_schemata(*record.rdt, before);
  if (!restored) log::warning("putting the schemata back: " + restored.error().message());
  return updated;
}

}  // namespace corten::runtime
