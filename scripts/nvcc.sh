# SPDX-License-Identifier: Apache-2.0
#
# Sourced by ./check: find_nvcc sets nvcc_found to the path of a CUDA compiler, from the machine or from PyPI.
# shellcheck shell=bash

# NVIDIA's wheels that make up a compiler with headers and the static runtime, in the version that the project is tested with.
nvcc_wheels=('nvidia-cuda-nvcc==13.0.*' 'nvidia-nvvm==13.0.*' 'nvidia-cuda-crt==13.0.*' 'nvidia-cuda-runtime==13.0.*'
  'nvidia-cuda-cccl==13.0.*')

# nvcc_from_pypi CALLER FOLDER: installs the wheels into a virtual environment in FOLDER, unless they are there.
nvcc_from_pypi() {
  local caller=$1 venv=$2/nvcc
  if ! compgen -G "$venv/lib/python3*/site-packages/nvidia/cu13/bin/nvcc" >/dev/null; then
    if [ "${BILEVEL_NO_INSTALL:-0}" = 1 ]; then
      echo "$caller: there is no nvcc and --no-install was given" >&2
      return 1
    fi
    install_packages "$caller" python3 python3-venv || return 1
    echo "$caller: will install with pip, into $venv: ${nvcc_wheels[*]}"
    python3 -m venv "$venv" || return 1
    "$venv/bin/pip" install --quiet --disable-pip-version-check "${nvcc_wheels[@]}" || return 1
  fi
  nvcc_found=$(compgen -G "$(realpath "$venv")/lib/python3*/site-packages/nvidia/cu13/bin/nvcc" | head -n 1)
}

# find_nvcc CALLER WHICH FOLDER. WHICH: a path, 'pypi', or '' for what the machine has, else pypi.
find_nvcc() {
  local caller=$1 which=$2 folder=$3
  nvcc_found=''
  case $which in
    pypi) ;;
    '')
      nvcc_found=$(command -v nvcc || true)
      if [ -z "$nvcc_found" ] && [ -x /usr/local/cuda/bin/nvcc ]; then nvcc_found=/usr/local/cuda/bin/nvcc; fi ;;
    *)
      nvcc_found=$(command -v "$which" || true)
      if [ -z "$nvcc_found" ]; then
        echo "$caller: no program '$which'" >&2
        return 1
      fi ;;
  esac
  if [ -z "$nvcc_found" ]; then nvcc_from_pypi "$caller" "$folder" || return 1; fi
  echo "$caller: nvcc is $nvcc_found"
}
