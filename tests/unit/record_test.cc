// The stored record: what is written is read back, and what an older version wrote is understood.
#include "record.h"

#include <string>

#include <nlohmann/json.hpp>

#include "support.h"

namespace corten::runtime {
namespace {

TEST(Record, ComesBackAsItWasWritten) {
  Record record;
  record.id = "box";
  record.phase = Phase::Created;
  record.init = {42, 4711};
  record.cgroup.locations = {{{"memory"}, "/sys/fs/cgroup/memory", "/box", false, 1}};
  record.rdt = RdtGroups{"gold", true, true};
  record.annotations = {{"key", "value\""}};
  ASSERT_OK_AND_ASSIGN(const auto back, Record::from_json(record.to_json()));
  EXPECT_EQ(back.to_json(), record.to_json());
  EXPECT_EQ(back.init.start_time, 4711U);
  ASSERT_TRUE(back.rdt);
  EXPECT_EQ(back.rdt->class_name, "gold");
  EXPECT_TRUE(back.rdt->remove_class);
  EXPECT_TRUE(back.rdt->monitoring);
}

TEST(Record, TheDefaultClassIsAnEmptyName) {
  Record record;
  record.rdt.emplace();
  ASSERT_OK_AND_ASSIGN(const auto back, Record::from_json(record.to_json()));
  ASSERT_TRUE(back.rdt);
  EXPECT_EQ(back.rdt->class_name, "");
  EXPECT_FALSE(back.rdt->remove_class || back.rdt->monitoring);
}

TEST(Record, NothingIsStoredOfWhatTheContainerDoesNotHave) {
  const auto json = nlohmann::json::parse(Record{}.to_json());
  EXPECT_FALSE(json.contains("intelRdt"));
}

// Written before there were resctrl groups in it.
TEST(Record, AnOlderOneIsReadWithWhatItLacksUnset) {
  ASSERT_OK_AND_ASSIGN(const auto record,
                       Record::from_json(R"({"version":1,"id":"box","phase":"created",)"
                                         R"("init":{"pid":42,"startTime":7}})"));
  EXPECT_EQ(record.id, "box");
  EXPECT_EQ(record.init.pid, 42);
  EXPECT_FALSE(record.rdt);
  EXPECT_FALSE(record.personality);
  EXPECT_TRUE(record.poststop.empty());
}

TEST(Record, OfANewerVersionOrDamagedIsAnError) {
  EXPECT_ERROR(Record::from_json(R"({"version":1000})"), ErrorKind::Unsupported);
  EXPECT_ERROR(Record::from_json("{}"), ErrorKind::Unsupported);
  EXPECT_ERROR(Record::from_json(R"({"version":1)"), ErrorKind::Internal);
}

}  // namespace
}  // namespace corten::runtime
