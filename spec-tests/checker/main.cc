// The static program that runs inside every container of the suite, and as its hooks. See
// README.md, "The checker".
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "actions.h"
#include "hook.h"
#include "json_out.h"
#include "posture.h"

namespace {

using checker::JsonOut;
using checker::write_all;

// Waits for signals one by one without a handler: blocked signals are pending and sigwaitinfo takes
// them, so nothing is lost and PID 1's special treatment of unhandled signals plays no part.
int wait_for_signals(bool report_each) {
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_BLOCK, &all, nullptr);
  write_all(1, "ready\n");
  for (;;) {
    const int number = sigwaitinfo(&all, nullptr);
    if (number < 0 || number == SIGCHLD) continue;
    if (report_each) write_all(1, "signal " + std::to_string(number) + "\n");
    if (number == SIGTERM) return 0;
  }
}

// do ACTION ARG... -- ACTION ARG... : one JSON array of results on standard output.
// A final action "wait" keeps the process until SIGTERM once the results are written; "exit N" ends
// with status N.
int do_actions(int argc, char** argv) {
  std::vector<std::vector<std::string>> actions(1);
  for (int i = 0; i < argc; ++i) {
    if (std::strcmp(argv[i], "--") == 0) {
      actions.emplace_back();
    } else {
      actions.back().emplace_back(argv[i]);
    }
  }
  bool wait = false;
  int exit_status = 0;
  JsonOut out;
  out.open_array();
  for (const auto& action : actions) {
    if (!action.empty() && action[0] == "wait") {
      wait = true;
    } else if (action.size() > 1 && action[0] == "exit") {
      exit_status = std::atoi(action[1].c_str());
    } else {
      checker::perform_action(out, action);
    }
  }
  out.close_array();
  write_all(1, out.text() + "\n");
  return wait ? wait_for_signals(false) : exit_status;
}

}  // namespace

int main(int argc, char** argv) {
  std::string mode = argc > 1 ? argv[1] : "report";
  // As an interpreter named "sh" it shows how it was called.
  const char* slash = std::strrchr(argv[0], '/');
  if (std::strcmp(slash != nullptr ? slash + 1 : argv[0], "sh") == 0) mode = "args";
  if (mode == "report" || mode == "hold") {
    JsonOut out;
    checker::write_posture(out, argc, argv);
    write_all(1, out.text() + "\n");
    return mode == "hold" ? wait_for_signals(false) : 0;
  }
  if (mode == "do") return do_actions(argc - 2, argv + 2);
  if (mode == "exit") return argc > 2 ? std::atoi(argv[2]) : 0;
  if (mode == "wait") return wait_for_signals(false);
  if (mode == "signals") return wait_for_signals(true);
  if (mode == "hook") return checker::run_hook(argc - 2, argv + 2);
  if (mode == "args") {
    JsonOut out;
    out.open_array();
    for (int i = 0; i < argc; ++i) out.string(argv[i]);
    write_all(1, out.close_array().text() + "\n");
    return 0;
  }
  std::fputs("checker: unknown mode\n", stderr);
  return 2;
}
