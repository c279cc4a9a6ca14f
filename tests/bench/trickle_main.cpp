// `./dev bench trickle`: plays each load through the floor relay and through a trickle server, in
// turns, and compares. Server and generator are separate processes, so that what is charged to the
// server is the server's.
#include "trickle_floor.hpp"
#include "trickle_report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <sys/resource.h>

namespace {

using namespace rivulet::bench;

constexpr const char* help = R"(bench_trickle [options]
  --load NAME        only this load (may be repeated): paced-1 paced-4 many flat-1 flat-8
  --for SECONDS      of traffic in each run (5)
  --rounds N         runs of floor and server each, in turns (2)
  --server-cmd CMD   shell command that runs a trickle server and prints 127.0.0.1:PORT
                     (the rivulet of this build, with autocreate and a port of its choice)
  --connect IP:PORT  measure a running server instead; with --pid PID its CPU and memory too
  --path PATH        of the trickle server (/ai/trickle/)
  --no-floor         leave out the floor relay
  --no-server        run only the floor relay
  --json FILE        write the figures there as well
  --check            exit 1 when a paced load was not delivered whole, or anything came out wrong
)";

struct settings {
    std::vector<const trickle_load*> loads;
    double seconds = 5;
    int rounds = 2;
    std::string server_command;
    std::string connect;
    pid_t pid = 0;
    std::string path = "/ai/trickle/";
    std::string json_file;
    bool floor = true;
    bool server = true;
    bool check = false;
};

const trickle_load* find_load(std::string_view name) {
    for (auto& load : trickle_loads)
        if (load.name == name)
            return &load;
    throw std::invalid_argument(fmt::format("no load has the name {}", name));
}

settings parse(int argc, char** argv) {
    settings chosen;
    for (int i = 1; i < argc; ++i) {
        std::string_view option = argv[i];
        auto value = [&]() -> std::string {
            if (++i >= argc)
                throw std::invalid_argument(fmt::format("{} needs a value", option));
            return argv[i];
        };
        if (option == "--load")
            chosen.loads.push_back(find_load(value()));
        else if (option == "--for")
            chosen.seconds = std::stod(value());
        else if (option == "--rounds")
            chosen.rounds = std::stoi(value());
        else if (option == "--server-cmd")
            chosen.server_command = value();
        else if (option == "--connect")
            chosen.connect = value();
        else if (option == "--pid")
            chosen.pid = std::stoi(value());
        else if (option == "--path")
            chosen.path = value();
        else if (option == "--json")
            chosen.json_file = value();
        else if (option == "--no-floor")
            chosen.floor = false;
        else if (option == "--no-server")
            chosen.server = false;
        else if (option == "--check")
            chosen.check = true;
        else
            throw std::invalid_argument(fmt::format("unknown option {}\n{}", option, help));
    }
    if (chosen.loads.empty())
        for (auto& load : trickle_loads)
            chosen.loads.push_back(&load);
    return chosen;
}

std::string own_path() {
    return std::filesystem::read_symlink("/proc/self/exe").string();
}

std::unique_ptr<measured_process> start_server(const settings& chosen) {
    if (!chosen.connect.empty())
        return measured_process::attach(chosen.connect, chosen.pid);
    if (!chosen.server_command.empty())
        return measured_process::spawn(chosen.server_command);
    auto build = std::filesystem::path(own_path()).parent_path().parent_path().parent_path();
    return measured_process::spawn(fmt::format(
        "'{}' trickle -addr 127.0.0.1:0 -autocreate -path {}",
        (build / "rivulet").string(),
        chosen.path
    ));
}

void add(std::optional<run_result>& sum, const run_result& run) {
    if (sum)
        sum->merge(run);
    else
        sum = run;
}

load_report measure(const settings& chosen, const trickle_load& load) {
    load_report report{&load, {}, {}};
    for (int round = 0; round < chosen.rounds; ++round) {
        if (chosen.floor) {
            auto relay = measured_process::spawn("'" + own_path() + "' --relay");
            add(report.floor, run_load(load, protocol::raw, *relay, "", chosen.seconds));
        }
        if (chosen.server) {
            auto server = start_server(chosen);
            add(report.server,
                run_load(load, protocol::http, *server, chosen.path, chosen.seconds));
        }
    }
    return report;
}

bool delivered_whole(const load_report& report) {
    for (auto* side : {&report.floor, &report.server})
        if (*side && ((*side)->counts.problems || (report.load->paced() && (*side)->share() < 1)))
            return false;
    return true;
}

// Two connections for each end: more than the usual 1024.
void allow_many_descriptors() {
    rlimit limit{};
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

} // namespace

int main(int argc, char** argv) try {
    allow_many_descriptors();
    if (argc == 2 && std::string_view(argv[1]) == "--relay")
        run_floor_relay();
    if (argc == 2 && std::string_view(argv[1]) == "--help")
        return fmt::print("{}", help), 0;
    auto chosen = parse(argc, argv);
    std::vector<load_report> reports;
    bool whole = true;
    for (auto* load : chosen.loads) {
        reports.push_back(measure(chosen, *load));
        whole = whole && delivered_whole(reports.back());
        fmt::print("{}\n", table(reports.back()));
        std::fflush(stdout);
    }
    if (!chosen.json_file.empty() && !(std::ofstream(chosen.json_file) << json(reports)))
        throw std::runtime_error("cannot write " + chosen.json_file);
    if (chosen.check && !whole)
        return fmt::print(stderr, "not everything was delivered, or not right\n"), 1;
    return 0;

} catch (const std::exception& why) {

    fmt::print(stderr, "bench_trickle: {}\n", why.what());
    return 2;
}
