// From the command line to a Plan.
#pragma once

#include <string>

#include <corten/base/result.h>
#include <corten/plan/host_facts.h>
#include <corten/plan/plan.h>
#include <corten/runtime/operations.h>

namespace corten::runtime {

struct Loaded {
  std::string config_path;
  std::string config_text;  // as read: the container keeps a copy
  std::string oci_version;
  plan::Plan plan;
  plan::HostFacts facts;
  std::string notify_socket;  // of the caller's service manager, "" = none
};

// Reads, checks and plans; nothing is changed. Errors: see spec::load and plan::build; the file and
// its line stand in front.
Result<Loaded> load_plan(const Context& context, const CreateOptions& options);

}  // namespace corten::runtime
