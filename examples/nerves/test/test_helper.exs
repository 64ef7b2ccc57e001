# Some tests mount a file system that only their own programs see, for which not every machine gives leave.
mounts = "mount -t tmpfs tmpfs /tmp && mount -o remount,bind,ro /"

mounts? =
  System.find_executable("unshare") != nil and
    match?(
      {_, 0},
      System.cmd("unshare", ["--map-root-user", "--mount", "sh", "-c", mounts],
        stderr_to_stdout: true
      )
    )

# Bounds for a machine that is busy: a release is built and started in one of the tests.
ExUnit.start(
  capture_log: true,
  exclude: if(mounts?, do: [], else: [:mounts]),
  timeout: 1_200_000,
  assert_receive_timeout: 300_000
)
