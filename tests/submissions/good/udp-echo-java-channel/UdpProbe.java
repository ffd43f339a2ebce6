import java.net.*;
import java.nio.charset.StandardCharsets;

public class UdpProbe {
    public static void main(String[] args) throws Exception {
        byte[] probe = ("probe " + System.nanoTime()).getBytes(StandardCharsets.US_ASCII);
        InetAddress host = InetAddress.getByName(args[0]);
        int port = Integer.parseInt(args[1]);
        try (DatagramSocket socket = new DatagramSocket()) {
            socket.setSoTimeout(1500);
            for (int i = 0; i < 4; i++) {
                socket.send(new DatagramPacket(probe, probe.length, host, port));
                DatagramPacket reply = new DatagramPacket(new byte[512], 512);
                try {
                    socket.receive(reply);
                    System.out.println("Reply: " + new String(reply.getData(), 0, reply.getLength(), StandardCharsets.US_ASCII));
                    return;
                } catch (SocketTimeoutException e) {
                    System.out.println("timeout, trying again");
                }
            }
        }
        System.out.println("no reply");
        System.exit(1);
    }
}
