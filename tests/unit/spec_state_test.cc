// The state document: engines and hooks read it, so order, types and omissions are fixed.
#include <string>

#include <nlohmann/json.hpp>

#include "support.h"
#include <corten/spec/state.h>

namespace corten::spec {
namespace {

State running() {
  return {.oci_version = "1.3.0",
          .id = "web",
          .status = Status::Running,
          .pid = 42,
          .bundle = "/b",
          .annotations = {{"z", "1"}, {"a=b", "2"}},
          .rootfs = "/b/rootfs",
          .created = "2026-01-02T03:04:05.000000006Z",
          .owner = "root"};
}

TEST(State, PrintsForEngines) {
  EXPECT_EQ(to_json(running(), Extras::Yes, Layout::Compact),
            R"({"ociVersion":"1.3.0","id":"web","pid":42,"status":"running","bundle":"/b",)"
            R"("rootfs":"/b/rootfs","created":"2026-01-02T03:04:05.000000006Z",)"
            R"("annotations":{"z":"1","a=b":"2"},"owner":"root"})");
}

TEST(State, PrintsForHooks) {
  EXPECT_EQ(to_json(running(), Extras::No, Layout::Compact),
            R"({"ociVersion":"1.3.0","id":"web","pid":42,"status":"running","bundle":"/b",)"
            R"("annotations":{"z":"1","a=b":"2"}})");
}

TEST(State, StoppedHasPidZeroForEnginesAndNoneForHooks) {
  State state = running();
  state.status = Status::Stopped;
  state.pid = 0;
  state.annotations.clear();
  EXPECT_EQ(to_json(state, Extras::No, Layout::Compact),
            R"({"ociVersion":"1.3.0","id":"web","status":"stopped","bundle":"/b"})");
  EXPECT_NE(to_json(state, Extras::Yes, Layout::Compact).find(R"("pid":0,)"), std::string::npos);
}

TEST(State, IndentsOneMemberALine) {
  const std::string text = to_json(running(), Extras::Yes, Layout::Indented);
  EXPECT_TRUE(text.starts_with("{\n  \"ociVersion\": \"1.3.0\",\n  \"id\": \"web\",\n"));
}

TEST(State, SurvivesHostileTexts) {
  State state = running();
  state.bundle = "/b\"\\\n\x1b";
  state.annotations = {{"k\n\"", std::string("v\0\t", 3)}};
  const auto json = nlohmann::json::parse(to_json(state, Extras::Yes, Layout::Compact));
  EXPECT_EQ(json["bundle"], state.bundle);
  EXPECT_EQ(json["annotations"]["k\n\""], state.annotations[0].second);
}

TEST(State, ReadsWhatItWrote) {
  for (const Layout layout : {Layout::Compact, Layout::Indented}) {
    const State state = running();
    ASSERT_OK_AND_ASSIGN(const State back, parse_state(to_json(state, Extras::Yes, layout)));
    EXPECT_EQ(to_json(back, Extras::Yes, Layout::Compact),
              to_json(state, Extras::Yes, Layout::Compact));
  }
}

TEST(State, RefusesWhatIsNoState) {
  EXPECT_ERROR(parse_state(""), ErrorKind::InvalidSpec);
  EXPECT_ERROR(parse_state("{}"), ErrorKind::InvalidSpec, "/ociVersion");
  EXPECT_ERROR(parse_state(R"({"ociVersion":"1","id":"a","status":"dancing","bundle":"/"})"),
               ErrorKind::InvalidSpec,
               "/status");
  EXPECT_ERROR(
      parse_state(R"({"ociVersion":"1","id":"a","status":"created","bundle":"/","pid":-1})"),
      ErrorKind::InvalidSpec,
      "/pid");
}

TEST(State, StatusNamesGoBothWays) {
  for (const Status status :
       {Status::Creating, Status::Created, Status::Running, Status::Paused, Status::Stopped}) {
    EXPECT_EQ(parse_status(status_name(status)), status);
  }
  EXPECT_EQ(status_name(Status::Paused), "paused");
  EXPECT_EQ(parse_status("Running"), std::nullopt);
}

}  // namespace
}  // namespace corten::spec
