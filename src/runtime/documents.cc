#include "documents.h"

namespace corten::runtime {

std::string hook_state(const plan::Plan& plan, spec::Status status, int pid) {
  spec::State state;
  state.oci_version = kStateOciVersion;
  state.id = plan.id;
  state.status = status;
  state.pid = pid;
  state.bundle = plan.bundle;
  state.annotations = plan.annotations;
  return spec::to_json(state, spec::Extras::No, spec::Layout::Compact);
}

std::string hook_state(const Record& record, spec::Status status, int pid) {
  spec::State state = state_document(record, status);
  state.pid = pid;
  return spec::to_json(state, spec::Extras::No, spec::Layout::Compact);
}

spec::State state_document(const Record& record, spec::Status status) {
  spec::State state;
  state.oci_version = kStateOciVersion;
  state.id = record.id;
  state.status = status;
  state.pid = status == spec::Status::Stopped ? 0 : record.init.pid;
  state.bundle = record.bundle;
  state.annotations = record.annotations;
  state.rootfs = record.rootfs;
  state.created = record.created;
  state.owner = record.owner == 0 ? "root" : std::to_string(record.owner);
  return state;
}

}  // namespace corten::runtime
