#include "base/options.hpp"
#include "base/options_text.hpp"

#include <gtest/gtest.h>

#include <set>

namespace rivulet {
namespace {

using namespace std::chrono_literals;
using words = std::vector<std::string>;
using variables = std::vector<std::pair<std::string, std::string>>;

outcome<invocation> read(words arguments, variables environment = {}, std::string file = {}) {
    option_sources sources;
    sources.arguments = std::move(arguments);
    sources.environment = std::move(environment);
    sources.read_file = [file = std::move(file)](const std::string& path) {
        return path == "gw.conf" ? std::optional(file) : std::nullopt;
    };
    return read_options(sources);
}

settings values_of(words arguments, variables environment = {}, std::string file = {}) {
    auto got = read(std::move(arguments), std::move(environment), std::move(file));
    EXPECT_TRUE(got) << (got ? "" : got.error().detail);
    return got ? got->values : settings{};
}

std::string error_of(words arguments, variables environment = {}, std::string file = {}) {
    auto got = read(std::move(arguments), std::move(environment), std::move(file));
    return got ? "no error" : got.error().detail;
}

words notes_of(words arguments, variables environment = {}, std::string file = {}) {
    auto got = read(std::move(arguments), std::move(environment), std::move(file));
    EXPECT_TRUE(got) << (got ? "" : got.error().detail);
    return got ? got->notes : words{};
}

TEST(command_line, takes_one_dash_or_two_and_both_ways_to_give_a_value) {
    EXPECT_EQ(values_of({"-httpAddr", ":1"}).http_addr, ":1");
    EXPECT_EQ(values_of({"-httpAddr=:2"}).http_addr, ":2");
    EXPECT_EQ(values_of({"--httpAddr", ":3"}).http_addr, ":3");
    EXPECT_EQ(values_of({"--httpAddr=:4"}).http_addr, ":4");
}

TEST(command_line, takes_the_last_of_two_values) {
    EXPECT_EQ(values_of({"-shards", "1", "-shards", "2"}).shards, 2);
}

TEST(command_line, takes_switches_with_and_without_a_value) {
    EXPECT_TRUE(values_of({"-cors"}).cors);
    EXPECT_TRUE(values_of({"-cors=1"}).cors);
    EXPECT_FALSE(values_of({"-cors", "-cors=false"}).cors);
    EXPECT_EQ(
        error_of({"-cors", "false"}),
        "unexpected argument \"false\"; options are written -name value or -name=value"
    );
    EXPECT_EQ(error_of({"-cors=yes"}), "-cors: \"yes\" is neither true nor false");
}

TEST(command_line, takes_what_an_operator_of_go_livepeer_types) {
    const auto got = read(
        {"-gateway",
         "-orchAddr",
         "https://a:1,b:2",
         "-httpAddr",
         "0.0.0.0:8935",
         "-httpIngest",
         "-v",
         "6"}
    );
    ASSERT_TRUE(got);
    EXPECT_EQ(got->kind, invocation_kind::run);
    EXPECT_EQ(got->values.http_addr, "0.0.0.0:8935");
    EXPECT_EQ(got->values.orch_addr, (words{"https://a:1", "b:2"}));
    EXPECT_EQ(got->values.level, log_level::trace);
    EXPECT_EQ(
        got->notes,
        words{"-httpIngest is ignored: publishing is always on; HTTP push of the "
              "transcoding path is not there"}
    );
}

TEST(command_line, names_the_nearest_option_for_an_unknown_one) {
    EXPECT_EQ(error_of({"-htpAddr", ":1"}), "unknown option -htpAddr; did you mean -httpAddr?");
    EXPECT_EQ(error_of({"--httpaddr=:1"}), "unknown option -httpaddr; did you mean -httpAddr?");
    EXPECT_EQ(error_of({"-orhcAddr"}), "unknown option -orhcAddr; did you mean -orchAddr?");
    EXPECT_EQ(error_of({"-verison"}), "unknown option -verison; did you mean -version?");
    EXPECT_EQ(error_of({"-xyzzy12345"}), "unknown option -xyzzy12345; see rivulet -help");
    EXPECT_EQ(
        error_of({"worker", "-" + std::string(500, 'x')}),
        "unknown option -" + std::string(500, 'x') + "; see rivulet worker -help"
    );
}

TEST(command_line, refuses_what_is_no_option) {
    EXPECT_EQ(error_of({"-httpAddr"}), "-httpAddr needs a value");
    EXPECT_EQ(error_of({"-config"}), "-config needs a value");
    EXPECT_EQ(
        error_of({"-v", "3", "stray"}),
        "unexpected argument \"stray\"; options are written -name value or -name=value"
    );
    EXPECT_EQ(
        error_of({"-"}), "unexpected argument \"-\"; options are written -name value or -name=value"
    );
}

TEST(command_line, takes_the_next_word_as_value_even_when_it_begins_with_a_dash) {
    EXPECT_EQ(error_of({"-shards", "-cors"}), "-shards: \"-cors\" is not a whole number");
}

TEST(commands, have_options_of_their_own) {
    EXPECT_EQ(read({})->which, command::gateway);
    EXPECT_EQ(read({"gateway"})->which, command::gateway);
    EXPECT_EQ(read({"worker", "-serviceAddr", ":9"})->which, command::worker);
    const auto trickle = read({"trickle", "-addr", ":7", "-autocreate", "-path", "/live/"});
    ASSERT_TRUE(trickle);
    EXPECT_EQ(trickle->which, command::trickle);
    EXPECT_TRUE(trickle->values.autocreate);
    EXPECT_EQ(trickle->values.addr, ":7");
    EXPECT_EQ(trickle->values.path, "/live/");
    EXPECT_EQ(
        error_of({"-autocreate"}), "-autocreate is an option of `rivulet trickle`, not of `rivulet`"
    );
    EXPECT_EQ(
        error_of({"worker", "-httpAddr", ":1"}),
        "-httpAddr is an option of `rivulet`, not of `rivulet worker`"
    );
}

TEST(commands, are_named_when_one_is_mistyped) {
    EXPECT_EQ(error_of({"wroker"}), "unknown command \"wroker\"; did you mean worker?");
    EXPECT_EQ(error_of({"frobnicate"}), "unknown command \"frobnicate\"; see rivulet -help");
}

TEST(precedence, is_command_line_then_environment_then_file_then_default) {
    const std::string file = "shards 3\nmaxStreams 30\nhttpAddr :30\n";
    const variables environment{
        {"LP_CONFIG", "gw.conf"}, {"LP_SHARDS", "2"}, {"LP_MAXSTREAMS", "20"}};
    const auto got = values_of({"-shards", "1"}, environment, file);
    EXPECT_EQ(got.shards, 1);
    EXPECT_EQ(got.max_streams, 20);
    EXPECT_EQ(got.http_addr, ":30");
    EXPECT_EQ(got.rtmp_addr, settings{}.rtmp_addr);
}

TEST(environment, takes_each_name_in_capitals_after_lp) {
    EXPECT_EQ(values_of({}, {{"LP_HTTPADDR", ":5"}}).http_addr, ":5");
    EXPECT_EQ(values_of({}, {{"LP_LOGLEVEL", "debug"}}).level, log_level::debug);
    EXPECT_EQ(error_of({}, {{"LP_SHARDS", "many"}}), "LP_SHARDS: \"many\" is not a whole number");
}

TEST(environment, takes_the_variables_of_the_reference) {
    EXPECT_TRUE(values_of({}, {{"LIVE_AI_ALLOW_CORS", "no"}}).cors) << "any text switches it on";
    EXPECT_FALSE(values_of({}, {{"LIVE_AI_ALLOW_CORS", ""}}).cors);
    EXPECT_EQ(values_of({}, {{"LIVE_AI_MIN_SEG_DUR", "2s"}}).min_seg_duration, duration(2s));
    EXPECT_EQ(
        values_of(
            {}, {{"LP_MINSEGDURATION", "3s"}, {"LIVE_AI_MIN_SEG_DUR", "2s"}}
        ).min_seg_duration,
        duration(3s)
    );
    EXPECT_EQ(
        notes_of({}, {{"LIVE_AI_PLAYBACK_HOST", "rtmp://h/"}}),
        words{"LIVE_AI_PLAYBACK_HOST is ignored: processed video is served here as NAME-out, "
              "without a push"}
    );
}

TEST(environment, reads_the_spellings_of_the_reference) {
    EXPECT_EQ(
        values_of({}, {{"LIVE_AI_VIDEO_GATHER_TIMEOUT", "7"}}).video_gather_timeout, duration(7s)
    );
    EXPECT_EQ(values_of({}, {{"LIVE_AI_WHEP_MAX_SESSIONS", "5"}}).whep_max_sessions, 5);
    EXPECT_EQ(values_of({}, {{"LIVE_AI_WHEP_MAX_SESSIONS", "unlimited"}}).whep_max_sessions, 0);
    EXPECT_EQ(values_of({"-whepMaxSessions", "unlimited"}, {}).whep_max_sessions, 0);
    EXPECT_NE(error_of({"-whepMaxSessions", "many"}), "no error");
    EXPECT_NE(error_of({"-videoGatherTimeout", "7"}), "no error") << "a flag needs its unit";
}

TEST(environment, says_which_name_it_does_not_know) {
    EXPECT_EQ(
        notes_of(
            {}, {{"LP_HTPADDR", ":1"}, {"PATH", "/bin"}, {"LP_PUBLISH_MEDIAMTX_METRICS", "1"}}
        ),
        words{"LP_HTPADDR is ignored: there is no such setting"}
    );
}

TEST(environment, of_another_command_is_left_alone) {
    EXPECT_TRUE(notes_of({"trickle"}, {{"LP_HTTPADDR", "nonsense"}}).empty());
}

TEST(config_file, takes_both_separators_comments_and_bare_names) {
    const auto got = values_of(
        {"-config", "gw.conf"},
        {},
        "# a comment\r\n\n  httpAddr   :6   # where\nshards=4\nmaxStreams = 7\ncors\norchAddr a , "
        "b\naddr :1"
    );
    EXPECT_EQ(got.http_addr, ":6");
    EXPECT_EQ(got.shards, 4);
    EXPECT_EQ(got.max_streams, 7);
    EXPECT_TRUE(got.cors);
    EXPECT_EQ(got.orch_addr, (words{"a", "b"}));
}

TEST(config_file, fails_with_its_name_and_line) {
    EXPECT_EQ(
        error_of({"-config=gw.conf"}, {}, "\nshards x\n"),
        "gw.conf:2: shards: \"x\" is not a whole number"
    );
    EXPECT_EQ(
        error_of({"-config=gw.conf"}, {}, "shard 2"),
        "gw.conf:1: unknown option -shard; did you mean -shards?"
    );
    EXPECT_EQ(error_of({"-config", "no.conf"}), "-config: cannot read no.conf");
}

TEST(config_file, wants_a_value_of_all_but_switches_though_it_may_be_empty) {
    const auto complaint = [](std::string file) { return error_of({"-config=gw.conf"}, {}, file); };
    EXPECT_EQ(complaint("httpAddr"), "gw.conf:1: httpAddr needs a value");
    EXPECT_EQ(complaint("cors\nuploadFolder # where"), "gw.conf:2: uploadFolder needs a value");
    EXPECT_EQ(complaint("orchAddr"), "gw.conf:1: orchAddr needs a value");
    EXPECT_EQ(complaint("uploadFolder=\nrtmpAddr =\norchAddr="), "no error");
    EXPECT_EQ(complaint("serviceAddr"), "no error"); // another command's
}

TEST(foreign_flags, are_accepted_with_the_reason_why_they_do_nothing) {
    EXPECT_EQ(
        notes_of({"-gasLimit", "1", "-transcoder", "-dataDir=x"}),
        (words{
            "-gasLimit is ignored: Rivulet pays with the wallet's tickets or a remote signer and "
            "sends no transactions",
            "-transcoder is ignored: Rivulet has no such role in this command; `rivulet "
            "worker` is the orchestrator's side",
            "-dataDir is ignored: Rivulet does not need it"})
    );
    EXPECT_EQ(notes_of({"-broadcaster"}), words{"-broadcaster is the old name of -gateway"});
}

TEST(foreign_flags, say_nothing_when_they_are_off) {
    EXPECT_TRUE(
        notes_of({"-network", "offchain", "-orchestrator=false", "-redeemer=0", "-gasLimit="})
            .empty()
    );
}

TEST(foreign_flags, never_hide_a_setting) {
    for (const auto& flag : foreign_flags())
        for (const auto& row : settings_table())
            EXPECT_NE(flag.name, row.name);
}

TEST(pages, are_asked_for_instead_of_a_run) {
    EXPECT_EQ(read({"-help"})->kind, invocation_kind::help);
    EXPECT_EQ(read({"--help"})->kind, invocation_kind::help);
    EXPECT_EQ(read({"-h"})->kind, invocation_kind::help);
    EXPECT_EQ(read({"worker", "--help"})->which, command::worker);
    EXPECT_EQ(read({"-version"})->kind, invocation_kind::version);
    EXPECT_EQ(read({"-helpMarkdown"})->kind, invocation_kind::help_markdown);
    EXPECT_EQ(read({"-helpMan"})->kind, invocation_kind::help_man);
    EXPECT_EQ(read({"-helpBash"})->kind, invocation_kind::help_bash);
    EXPECT_EQ(read({"-helpZsh"})->kind, invocation_kind::help_zsh);
    EXPECT_EQ(read({"-helpFish"})->kind, invocation_kind::help_fish);
    EXPECT_EQ(read({"-printConfig", "-shards", "2"})->values.shards, 2);
    EXPECT_EQ(read({"-printConfig"})->kind, invocation_kind::print_config);
}

TEST(gateway_role, cannot_be_switched_off) {
    EXPECT_EQ(
        error_of({"-gateway=false"}),
        "-gateway=false leaves nothing to run; `rivulet worker` and `rivulet trickle` are the "
        "other commands"
    );
}

TEST(segment_durations, must_be_in_order) {
    EXPECT_EQ(
        error_of({"-minSegDuration", "5s", "-maxSegDuration", "4s"}),
        "-maxSegDuration is shorter than -minSegDuration"
    );
    EXPECT_EQ(error_of({"-minSegDuration", "5s", "-maxSegDuration", "5s"}), "no error");
}

struct refused_value {
    words arguments;
    std::string error;
};

class value_check : public testing::TestWithParam<refused_value> {};

TEST_P(value_check, says_what_is_wrong) {
    EXPECT_EQ(error_of(GetParam().arguments), GetParam().error);
}

INSTANTIATE_TEST_SUITE_P(
    options,
    value_check,
    testing::Values(
        refused_value{{"-shards", "1.5"}, "-shards: \"1.5\" is not a whole number"},
        refused_value{
            {"-minSegDuration", "5"},
            "-minSegDuration: \"5\" is not a duration; write for example 1s, 250ms or 1m30s"},
        refused_value{
            {"-segmentBytes", "big"},
            "-segmentBytes: \"big\" is not a byte count; write for example 1048576, 64MiB or 10MB"},
        refused_value{
            {"-httpAddr", "8935"},
            "-httpAddr: \"8935\" is not an address; write HOST:PORT, [IPV6]:PORT or :PORT "
            "for all interfaces"},
        refused_value{
            {"-httpAddr="},
            "-httpAddr: \"\" is not an address; write HOST:PORT, [IPV6]:PORT or :PORT for "
            "all interfaces"},
        refused_value{
            {"-v", "loud"},
            "-v: \"loud\" is not a log level; write error, warn, info, debug, trace or 0 to 99"},
        refused_value{
            {"-logLevel", "loud"},
            "-logLevel: \"loud\" is not a log level; write error, warn, info, debug, trace "
            "or 0 to 99"},
        refused_value{
            {"-orchestratorTlsVerify", "maybe"},
            "-orchestratorTlsVerify: \"maybe\" is not one of full|pin|none"},
        refused_value{
            {"trickle", "-path", "live"},
            "-path: \"live\" is not a path; it begins with / and holds no blank, ?, # or %"}
    )
);

// Every number, byte count and duration of the table at its limits and one past them.
TEST(ranges, hold_at_the_limit_and_refuse_one_past_it) {
    int checked = 0;
    for (const auto& row : settings_table()) {
        if (allowed_range(row).empty())
            continue;
        const bool is_time = std::holds_alternative<duration settings::*>(row.member);
        auto text = [&](std::int64_t value) {
            return std::to_string(value) + (is_time ? "ns" : "");
        };
        settings into;
        ASSERT_LT(row.high, std::numeric_limits<std::int64_t>::max()) << row.name;
        EXPECT_TRUE(assign(row, text(row.low), into)) << row.name;
        EXPECT_TRUE(assign(row, text(row.high), into)) << row.name;
        EXPECT_FALSE(assign(row, text(row.low - 1), into)) << row.name;
        const auto above = assign(row, text(row.high + 1), into);
        ASSERT_FALSE(above) << row.name;
        EXPECT_EQ(
            above.error().detail,
            "\"" + text(row.high + 1) + "\" is out of range; it must be " + allowed_range(row)
        );
        ++checked;
    }
    EXPECT_GT(checked, 10);
    EXPECT_EQ(
        error_of({"-shards", "1025"}),
        "-shards: \"1025\" is out of range; it must be between 0 and 1024"
    );
    EXPECT_EQ(
        error_of({"-minSegDuration", "61s"}),
        "-minSegDuration: \"61s\" is out of range; it must be between 0 and 1m"
    );
    EXPECT_EQ(
        error_of({"-segmentBytes", "99999999999999999999"}),
        "-segmentBytes: \"99999999999999999999\" is not a byte count; write for example "
        "1048576, 64MiB or 10MB"
    );
    EXPECT_EQ(
        error_of({"-segmentBytes", "18446744073709551615"}),
        "-segmentBytes: \"18446744073709551615\" is out of range; it must be between 64KiB and "
        "4GiB"
    );
}

TEST(table, has_a_default_that_its_own_row_accepts) {
    for (const auto& row : settings_table()) {
        settings into;
        EXPECT_TRUE(assign(row, format_value(row, settings{}), into)) << row.name;
    }
}

TEST(table, names_each_setting_once) {
    std::set<std::string_view> seen;
    for (const auto& row : settings_table()) {
        EXPECT_TRUE(seen.insert(row.name).second) << row.name;
        if (!row.alias.empty()) {
            EXPECT_TRUE(seen.insert(row.alias).second) << row.alias;
        }
        EXPECT_TRUE(row.help.ends_with('.')) << row.name;
        EXPECT_NE(row.commands, 0u) << row.name;
    }
}

TEST(log_level_setting, takes_words_and_the_numbers_of_go_livepeer) {
    EXPECT_EQ(values_of({"-v", "3"}).level, log_level::info);
    EXPECT_EQ(values_of({"-v=99"}).level, log_level::trace);
    EXPECT_EQ(values_of({"-logLevel", "warn"}).level, log_level::warning);
}

TEST(listing, hides_secrets_and_credentials_in_urls) {
    setting row{
        .group = "g", .name = "password", .member = &settings::path, .commands = 1, .help = "."};
    row.secret = true;
    settings values;
    values.path = "hunter2";
    EXPECT_EQ(shown_value(row, values), "***");
    values.path.clear();
    EXPECT_EQ(shown_value(row, values), "");
    values.orch_addr = {"https://user:pass@h:1/x@y", "b:2"};
    const auto text = config_text(command::gateway, values);
    EXPECT_NE(text.find("\n# orchAddr=https://***@h:1/x@y,b:2\n"), text.npos) << text;
    EXPECT_EQ(text.find("pass"), text.npos);
}

TEST(listing, is_a_config_file_that_gives_the_same_values) {
    settings values;
    values.http_addr = ":99";
    values.min_seg_duration = 1500ms;
    values.trickle_segment_bytes = 3u << 20;
    values.cors = true;
    values.rtmp_addr.clear();
    values.orch_addr = {"a", "b"};
    const auto text = config_text(command::gateway, values);
    const auto again = values_of({"-config", "gw.conf"}, {}, text);
    EXPECT_EQ(config_text(command::gateway, again), text);
    EXPECT_EQ(again.rtmp_addr, "");
    EXPECT_EQ(again.min_seg_duration, duration(1500ms));
}

// A line that begins with it; another name may follow.
bool lists(const std::string& text, std::string_view name) {
    const auto line = "\n  -" + std::string(name);
    for (auto at = text.find(line); at != text.npos; at = text.find(line, at + 1))
        if (std::string_view(" ,\n").find(text[at + line.size()]) != std::string_view::npos)
            return true;
    return false;
}

TEST(help, fits_the_screen_and_names_every_option_of_its_command) {
    for (auto which : {command::gateway, command::worker, command::trickle}) {
        const auto text = help_text(which);
        std::size_t begin = 0;
        while (begin < text.size()) {
            const auto end = text.find('\n', begin);
            ASSERT_NE(end, text.npos);
            EXPECT_LE(end - begin, 100u) << text.substr(begin, end - begin);
            EXPECT_TRUE(end == begin || text[end - 1] != ' ') << text.substr(begin, end - begin);
            begin = end + 1;
        }
        for (const auto& row : settings_table())
            EXPECT_EQ(lists(text, row.name), row.belongs_to(which)) << row.name;
    }
    EXPECT_NE(help_text(command::gateway).find("(default 127.0.0.1:8935)"), std::string::npos);
}

} // namespace
} // namespace rivulet
