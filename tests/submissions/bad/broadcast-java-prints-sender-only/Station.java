import java.io.*;
import java.net.*;

public class Station {
    public static void main(String[] args) throws Exception {
        InetAddress everyone = InetAddress.getByName("255.255.255.255");
        try (DatagramSocket antenna = new DatagramSocket()) {
            antenna.setBroadcast(true);
            BufferedReader microphone = new BufferedReader(new InputStreamReader(System.in));
            System.out.println("On air. Speak:");
            for (String s = microphone.readLine(); s != null && !s.isBlank(); s = microphone.readLine()) {
                byte[] b = s.getBytes("UTF-8");
                antenna.send(new DatagramPacket(b, b.length, everyone, Integer.parseInt(args[0])));
            }
        }
    }
}
