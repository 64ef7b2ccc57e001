defmodule WarmBox.ReleaseTest do
  use ExUnit.Case

  import WarmBox.Device, only: [directory: 1]

  # The root file system can be read only, /tmp with it; a file system of its own lies over DATA, as /data
  # does on a device. Both are seen by these programs alone.
  @read_only """
  data=$1 release=$2
  mount -t tmpfs tmpfs "$data" && mount -o remount,bind,ro / || exit 99
  ! touch "$release/written" /tmp/written 2>/dev/null || exit 98
  "$release/bin/warm_box" start &
  until [ -e "$data/warm_box/trusted" ] && ls "$data"/cambrian/populations/warm_box/*.checkpoint; do
    sleep 0.1
  done
  kill -9 $!
  find "$data" -type f
  """

  @tag :mounts
  test "a release runs on a read-only root, and writes to its data directories alone" do
    release = Path.join(directory("release"), "warm_box")
    env = [{"MIX_ENV", "prod"}, {"MIX_TARGET", "host"}]

    {built, status} =
      System.cmd("mix", ["release", "--quiet", "--path", release],
        env: env,
        stderr_to_stdout: true
      )

    assert {status, built} == {0, built}

    library = Path.wildcard(release <> "/lib/cambrian-*/priv/native/cambrian_nif.so")
    assert [%File.Stat{mode: mode}] = Enum.map(library, &File.stat!/1)
    assert Bitwise.band(mode, 0o777) == 0o755

    data = directory("data")

    options =
      ~s(-cambrian data_dir "#{data}/cambrian" -warm_box data_dir "#{data}/warm_box" -warm_box evolution [{population,50}])

    {said, 0} =
      System.cmd(
        "unshare",
        ["--map-root-user", "--mount", "sh", "-c", @read_only, "sh", data, release],
        env: [{"ELIXIR_ERL_OPTIONS", options}, {"RELEASE_DISTRIBUTION", "none"}],
        stderr_to_stdout: true
      )

    written = said |> String.split("\n") |> Enum.filter(&String.starts_with?(&1, data))
    assert Enum.any?(written, &String.ends_with?(&1, "/warm_box/trusted"))
    refute said =~ "erofs"
    refute said =~ "read-only"
  end
end
