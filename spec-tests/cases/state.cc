// runtime.md, "State": the document that state prints and that hooks receive.
#include "case.h"
#include "state_check.h"

namespace spec {
namespace {

SPEC_CASE(State,
          SchemaInEveryStatus,
          "RT-004 RT-029",
          "state prints a valid State document for a created, a running and a stopped container") {
  c.bundle.config["annotations"] = {{"com.example.key", "value"}, {"com.example.empty", ""}};
  c.bundle.set_command({"wait"});
  c.container.must_create();
  expect_valid_state(c.container.must_state(), c.container.id(), c.bundle, "created");
  c.container.must_start();
  ASSERT_TRUE(c.container.wait_output("ready\n"));
  const Json running = c.container.must_state();
  expect_valid_state(running, c.container.id(), c.bundle, "running");
  EXPECT_EQ(running["pid"], c.container.pid());
  c.container.kill("TERM");
  c.container.wait_exit();
  expect_valid_state(c.container.must_state(), c.container.id(), c.bundle, "stopped");
}

SPEC_CASE(State,
          BundleIsAbsolute,
          "RT-029",
          "state.bundle is an absolute path even if create got a relative one") {
  c.bundle.write();
  CommandOptions options;
  options.cwd = c.directory();
  const CommandResult created =
      c.runtime({"create", "--bundle", "bundle", c.container.id()}, options);
  ASSERT_TRUE(created.ok()) << created.err;
  EXPECT_EQ(c.container.must_state()["bundle"], c.bundle.directory());
  EXPECT_TRUE(c.container.remove(true).ok());
}

SPEC_CASE(State,
          AnnotationsAreReturned,
          "RT-029 CF-127",
          "annotations with any non-empty key come back unchanged in the state") {
  const Json annotations = {{"com.example.plain", "x"},
                            {"a=b", "c=d"},
                            {"bundle", "not the bundle"},
                            {"id", "not the id"},
                            {"com.example.\u00e9", "\u00fc"},
                            {"empty", ""}};
  c.bundle.config["annotations"] = annotations;
  c.bundle.set_command({"wait"});
  c.container.must_create();
  EXPECT_EQ(c.container.must_state().value("annotations", Json::object()), annotations);
}

SPEC_CASE(State,
          NoAnnotations,
          "RT-029 RT-004",
          "without annotations the property is absent or an empty map") {
  c.bundle.set_command({"wait"});
  c.container.must_create();
  const Json state = c.container.must_state();
  if (state.contains("annotations")) {
    EXPECT_EQ(state["annotations"], Json::object());
  }
}

SPEC_CASE(State,
          PausedIsAStatusOfItsOwn,
          "RT-003",
          "a status beyond the four defined ones appears only for a new state, such as a paused "
          "container") {
  c.bundle.set_command({"wait"});
  c.container.must_run_until_ready();
  const CommandResult paused = c.runtime({"pause", c.container.id()});
  SPEC_NEED(paused.ok(), "the runtime cannot pause: " + paused.err);
  const std::string status = c.container.status();
  EXPECT_TRUE(c.runtime({"resume", c.container.id()}).ok());
  EXPECT_NE(status, "created");
  EXPECT_NE(status, "creating");
  EXPECT_NE(status, "stopped");
  EXPECT_EQ(c.container.status(), "running");
}

}  // namespace
}  // namespace spec
